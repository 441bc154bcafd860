//! Serving HTTP/1.1: how many connections, how long a handshake and a head may take and how
//! large a head may be, peers that do not read, and an end that finishes what was taken.

mod places;
mod stalled;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use crate::config::Limits;
use crate::metrics::Metrics;
use crate::tls::{self, Tls};
use places::{Place, Places};
use stalled::Impatient;

/// Who is at the other end of a connection; with every request of it.
#[derive(Clone)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// The TLS that it was let in by.
    pub(crate) tls: Option<Arc<ServerConfig>>,
}

/// What a listener serves, and within which bounds.
pub(crate) struct Served {
    pub(crate) router: Router,
    pub(crate) limits: Limits,
    pub(crate) tls: Option<Tls>,
    pub(crate) metrics: Metrics,
}

/// Serves until `stop` is done, then lets requests under way end.
pub(crate) async fn serve(listener: TcpListener, served: Served, stop: impl Future<Output = ()>) {
    let limits = served.limits;
    let places = Places::new(limits.connections, limits.connections_per_address);
    let ending = GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = places.accept(&listener) => accepted,
        };
        let (stream, address, place) = match accepted {
            Ok(Some(accepted)) => accepted,
            // Too many of that address: it is closed, and others are served.
            Ok(None) => {
                served.metrics.connection_refused();
                continue;
            }
            Err(error) => {
                // Out of descriptors, most likely: others must end first.
                tracing::warn!(%error, "no connection was accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let connection = Connection {
            router: served.router.clone(),
            limits,
            address,
            watcher: ending.watcher(),
            place,
            metrics: served.metrics.clone(),
        };
        let tls = served.tls.as_ref().map(|tls| tls.current());
        let open = served.metrics.connection_opened();
        tokio::spawn(async move {
            let _open = open;
            if let Err(error) = connection.begin(stream, tls).await {
                tracing::debug!(%address, %error, "a connection ended early");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(limits.shutdown, ending.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("connections were still open at the end");
    }
}

struct Connection {
    router: Router,
    limits: Limits,
    address: SocketAddr,
    watcher: Watcher,
    place: Place,
    metrics: Metrics,
}

type ConnectionError = Box<dyn std::error::Error + Send + Sync>;

impl Connection {
    async fn begin(
        self,
        stream: TcpStream,
        tls: Option<Arc<ServerConfig>>,
    ) -> Result<(), ConnectionError> {
        stream.set_nodelay(true)?;
        match tls.clone() {
            None => self.serve(stream, tls).await,
            Some(config) => {
                let acceptor = TlsAcceptor::from(config);
                let handshake = tokio::time::timeout(self.limits.head, acceptor.accept(stream));
                let stream = handshake
                    .await
                    .unwrap_or_else(|_| Err(tls::handshake_timed_out()))
                    .inspect_err(|error| {
                        self.metrics.handshake_failed();
                        tracing::info!(address = %self.address, %error, "a TLS handshake failed");
                    })?;
                self.serve(stream, tls).await
            }
        }
    }

    async fn serve(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        tls: Option<Arc<ServerConfig>>,
    ) -> Result<(), ConnectionError> {
        let router = self.router;
        let peer = Peer {
            address: self.address,
            tls,
        };
        let stream = Impatient::new(stream, self.limits.body_piece);
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(peer.clone());
            router.clone().oneshot(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head)
            .max_headers(MAX_HEADERS)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), service);
        let _place = self.place;
        Ok(self.watcher.watch(connection).await?)
    }
}

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The interface needs a handful.
const MAX_HEADERS: usize = 64;
/// Also the read buffer's limit, so bodies come in pieces of this size.
const MAX_HEAD: usize = 128 * 1024;
