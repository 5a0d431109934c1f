use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A network between a client and its server, with faults that can be switched on.
pub(crate) struct Proxy {
    port: u16,
    faults: Arc<Faults>,
}

#[derive(Default)]
struct Faults {
    /// Every change ends the connections that are there.
    cuts: watch::Sender<()>,
    is_cut: AtomicBool,
    is_deaf: AtomicBool,
    delay_millis: AtomicU64,
    connections: Mutex<Vec<Arc<AtomicBool>>>,
}

impl Proxy {
    pub(crate) async fn to(server: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let faults = Arc::new(Faults::default());
        tokio::spawn(accept(listener, server, Arc::clone(&faults)));
        Self { port, faults }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Ends all connections and lets no new one through.
    pub(crate) fn cut(&self) {
        self.faults.is_cut.store(true, Ordering::Relaxed);
        self.faults.cuts.send_replace(());
    }

    pub(crate) fn heal(&self) {
        self.faults.is_cut.store(false, Ordering::Relaxed);
    }

    /// From now on nothing comes through the connections that are there, nor do they end. New ones are sound.
    pub(crate) fn silence_those_that_are_there(&self) {
        for is_silent in self
            .faults
            .connections
            .lock()
            .expect("nobody panicked")
            .drain(..)
        {
            is_silent.store(true, Ordering::Relaxed);
        }
    }

    /// Keeps back what the server says on a connection that has subscribed to a channel.
    pub(crate) fn keep_messages_back(&self) {
        self.faults.is_deaf.store(true, Ordering::Relaxed);
    }

    /// Answers come later.
    pub(crate) fn delay(&self, span: Duration) {
        let millis = u64::try_from(span.as_millis()).expect("a short one");
        self.faults.delay_millis.store(millis, Ordering::Relaxed);
    }
}

async fn accept(listener: TcpListener, server: u16, faults: Arc<Faults>) {
    loop {
        let Ok((client, _)) = listener.accept().await else {
            return;
        };
        if faults.is_cut.load(Ordering::Relaxed) {
            continue;
        }
        let is_silent = Arc::new(AtomicBool::new(false));
        let mut known = faults.connections.lock().expect("nobody panicked");
        known.push(Arc::clone(&is_silent));
        drop(known);
        tokio::spawn(connect(client, server, Arc::clone(&faults), is_silent));
    }
}

async fn connect(client: TcpStream, server: u16, faults: Arc<Faults>, is_silent: Arc<AtomicBool>) {
    let mut cuts = faults.cuts.subscribe();
    let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).await else {
        return;
    };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let has_subscribed = AtomicBool::new(false);
    let questions = pump(from_client, to_server, None, |bytes| {
        if bytes.windows(9).any(|word| word == b"SUBSCRIBE") {
            has_subscribed.store(true, Ordering::Relaxed);
        }
        !is_silent.load(Ordering::Relaxed)
    });
    let delay = Some(&faults.delay_millis);
    let answers = pump(from_server, to_client, delay, |_| {
        let is_deaf =
            faults.is_deaf.load(Ordering::Relaxed) && has_subscribed.load(Ordering::Relaxed);
        !is_silent.load(Ordering::Relaxed) && !is_deaf
    });
    tokio::select! {
        () = questions => {}
        () = answers => {}
        _ = cuts.changed() => {}
    }
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    delay_millis: Option<&AtomicU64>,
    passes: impl Fn(&[u8]) -> bool,
) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match from.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(length) => {
                let bytes = &buffer[..length];
                if let Some(millis) = delay_millis {
                    let millis = millis.load(Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(millis)).await;
                }
                if passes(bytes) && to.write_all(bytes).await.is_err() {
                    return;
                }
            }
        }
    }
}
