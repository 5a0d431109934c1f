//! Connections that have changed to another protocol: bytes both ways, unread.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional};
use tokio::sync::watch;

use crate::problem::Failure;
use crate::progress::Progress;

/// Ends all tunnels that were opened under it.
#[derive(Debug)]
pub(crate) struct Tunnels {
    end: watch::Sender<()>,
    idle: Duration,
}

impl Tunnels {
    /// Tunnels that end when nothing goes through them, in either direction, for `idle`.
    pub(crate) fn new(idle: Duration) -> Self {
        let end = watch::Sender::new(());
        Self { end, idle }
    }

    /// Joins the two sides as soon as both have changed, and until one of them ends.
    #[allow(
        clippy::disallowed_methods,
        reason = "a tunnel outlives the request that opened it"
    )]
    pub(crate) fn open(&self, client: OnUpgrade, origin: OnUpgrade) {
        let (mut end, idle) = (self.end.subscribe(), self.idle);
        tokio::spawn(async move {
            tokio::select! {
                ended = carry(client, origin, idle) => match ended {
                    Ok((up, down)) => tracing::debug!(up, down, "a tunnel has ended"),
                    Err(Failure::TimedOut) => tracing::debug!("a tunnel was silent for too long"),
                    Err(_) => tracing::debug!("a tunnel broke"),
                },
                _ = end.changed() => tracing::debug!("a tunnel is cut: the proxy stops"),
            }
        });
    }

    /// They may have no end of their own, so a proxy that stops does not wait for it.
    pub(crate) fn cut(&self) {
        self.end.send_replace(());
    }
}

async fn carry(
    client: OnUpgrade,
    origin: OnUpgrade,
    idle: Duration,
) -> Result<(u64, u64), Failure> {
    let progress = Progress::begin();
    let carrying = async {
        let changed = async { tokio::try_join!(client, origin) };
        let (client, origin) = changed.await.map_err(|_| Failure::Broken)?;
        let (mut client, mut origin) = (Side::new(client, &progress), Side::new(origin, &progress));
        let carried = copy_bidirectional(&mut client, &mut origin).await;
        carried.map_err(|_| Failure::Broken)
    };
    progress.patiently(idle, carrying).await
}

/// One side of a tunnel, which notes what comes from it.
struct Side {
    stream: TokioIo<Upgraded>,
    progress: Progress,
}

impl Side {
    fn new(stream: Upgraded, progress: &Progress) -> Self {
        Self {
            stream: TokioIo::new(stream),
            progress: progress.clone(),
        }
    }
}

impl AsyncRead for Side {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        self.progress.note_movement();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Side {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
