//! Connections that have changed to another protocol: bytes both ways, unread.

use std::io;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;
use tokio::sync::watch;

/// Ends all tunnels that were opened under it.
#[derive(Debug)]
pub(crate) struct Tunnels(watch::Sender<()>);

impl Tunnels {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(()))
    }

    /// Joins the two sides as soon as both have changed, and until one of them ends.
    #[allow(
        clippy::disallowed_methods,
        reason = "a tunnel outlives the request that opened it"
    )]
    pub(crate) fn open(&self, client: OnUpgrade, origin: OnUpgrade) {
        let mut end = self.0.subscribe();
        tokio::spawn(async move {
            tokio::select! {
                carried = carry(client, origin) => match carried {
                    Ok((up, down)) => tracing::debug!(up, down, "a tunnel has ended"),
                    Err(error) => tracing::debug!(%error, "a tunnel broke"),
                },
                _ = end.changed() => tracing::debug!("a tunnel is cut: the proxy stops"),
            }
        });
    }

    /// They have no end of their own, so a proxy that stops does not wait for it.
    pub(crate) fn cut(&self) {
        self.0.send_replace(());
    }
}

async fn carry(client: OnUpgrade, origin: OnUpgrade) -> io::Result<(u64, u64)> {
    let changed = async { tokio::try_join!(client, origin) };
    let (client, origin) = changed.await.map_err(io::Error::other)?;
    copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(origin)).await
}
