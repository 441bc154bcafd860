//! The plain server: updates in, their sum out. Served as the parent serves, by hyper and axum.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use bytes::Bytes;
use futures_util::StreamExt as _;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;

use super::store::Store;

/// Where to listen, what to keep.
#[derive(clap::Args)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The folder for updates and sum.
    #[arg(long)]
    data: PathBuf,
    /// Elements of an update, each of 32 bits.
    #[arg(long)]
    dimension: usize,
}

/// Serves until it is killed.
///
/// # Errors
/// The address or the folder can't be used.
pub fn serve(options: &Options) -> Result<()> {
    let store = Store::open(&options.data, options.dimension)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(accept(options.listen, router(Arc::new(store))))
}

fn router(store: Arc<Store>) -> Router {
    Router::new()
        .route("/updates/{client}", put(update))
        .route("/close", post(close))
        .route("/aggregate", get(aggregate))
        .with_state(store)
}

async fn accept(listen: SocketAddr, router: Router) -> Result<()> {
    let listener = TcpListener::bind(listen).await.context("can't listen")?;
    let ready = serde_json::json!({ "listening": format!("http://{}", listener.local_addr()?) });
    writeln!(std::io::stdout(), "{ready}")?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = TowerToHyperService::new(router.clone());
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .max_buf_size(BUFFER)
            .serve_connection(TokioIo::new(stream), service);
        // One that breaks off has its own client to tell.
        tokio::spawn(async move { drop(connection.await) });
    }
}

/// One thread writes while the next pieces arrive: as cheap as it gets without a copy.
async fn update(
    State(store): State<Arc<Store>>,
    Path(client): Path<u64>,
    body: Body,
) -> Result<StatusCode, Failure> {
    let (pieces, mut arriving) = tokio::sync::mpsc::channel::<Bytes>(PIECES);
    let writing = tokio::task::spawn_blocking(move || {
        let mut file = store.update(client)?;
        while let Some(piece) = arriving.blocking_recv() {
            file.write(&piece)?;
        }
        file.keep()
    });
    let mut body = body.into_data_stream();
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(anyhow::Error::from)?;
        if pieces.send(piece).await.is_err() {
            break;
        }
    }
    drop(pieces);
    writing.await.map_err(anyhow::Error::from)??;
    Ok(StatusCode::OK)
}

async fn close(State(store): State<Arc<Store>>) -> Result<StatusCode, Failure> {
    let summing = tokio::task::spawn_blocking(move || store.sum());
    summing.await.map_err(anyhow::Error::from)??;
    Ok(StatusCode::OK)
}

async fn aggregate(State(store): State<Arc<Store>>) -> Result<Vec<u8>, Failure> {
    let reading = tokio::task::spawn_blocking(move || store.aggregate());
    Ok(reading.await.map_err(anyhow::Error::from)??)
}

struct Failure(anyhow::Error);

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        (status, format!("{:#}", self.0)).into_response()
    }
}

/// As large as the parent's.
const BUFFER: usize = 128 * 1024;
/// Pieces that may wait for the disk.
const PIECES: usize = 16;
