//! What uploads are compared with: a loop that receives a body and writes it to a file, synced and
//! renamed as the parent does, and does nothing else.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Serves on a free port until the runtime ends.
pub(crate) async fn serve(folder: &Path) -> std::io::Result<SocketAddr> {
    let folder: Arc<Path> = folder.into();
    std::fs::create_dir_all(&folder)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let names = Arc::new(AtomicU64::new(0));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let name = names.fetch_add(1, Ordering::Relaxed);
            let path = folder.join(name.to_string());
            tokio::spawn(async move { receive(stream, path).await });
        }
    });
    Ok(address)
}

async fn receive(mut stream: TcpStream, path: PathBuf) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut received = Vec::with_capacity(AT_A_TIME + 128 * 1024);
    let end = loop {
        if stream.read_buf(&mut received).await? == 0 {
            return Ok(());
        }
        if let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let head = String::from_utf8_lossy(&received[..end]).into_owned();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut missing: usize = length.and_then(|length| length.parse().ok()).unwrap_or(0);
    received.drain(..end);
    let unfinished = path.with_extension("part");
    let mut file = std::fs::File::create(&unfinished)?;
    while missing > 0 {
        while received.len() < missing.min(AT_A_TIME) {
            if stream.read_buf(&mut received).await? == 0 {
                return Ok(());
            }
        }
        missing -= received.len();
        (file, received) = tokio::task::spawn_blocking(move || {
            file.write_all(&received)?;
            received.clear();
            Ok::<_, std::io::Error>((file, received))
        })
        .await??;
    }
    tokio::task::spawn_blocking(move || {
        file.sync_all()?;
        std::fs::rename(&unfinished, &path)?;
        let folder = path.parent().map(std::fs::File::open);
        folder.map_or(Ok(()), |folder| folder?.sync_all())
    })
    .await??;
    stream
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        .await
}

/// As much as the parent gathers before it writes.
const AT_A_TIME: usize = 1 << 20;
