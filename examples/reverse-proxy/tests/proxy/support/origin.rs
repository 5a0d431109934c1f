use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::deadline::{beside, until, within};
use super::message::Message;

/// A part of what an origin does about a request.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Say(String),
    /// Nothing, until the test opens the gate.
    Wait(Gate),
    /// Reads the body of the request. Without it that happens before the first step.
    Read,
    /// Sends everything back that comes, as another protocol would.
    Echo,
    HangUp,
    /// Breaks the connection, so that the other side sees an error and no end.
    Reset,
}

/// What an origin does about a request.
pub(crate) type Script = Vec<Step>;

/// What it does about each, given its number, from 0.
type Scripts = dyn Fn(&Message, usize) -> Script + Send + Sync;

/// `text`, and the connection stays.
pub(crate) fn said(text: impl Into<String>) -> Script {
    vec![Step::Say(text.into())]
}

/// An answer of status 200 with this `Cache-Control`.
pub(crate) fn kept(control: &str, body: &str) -> Script {
    let length = body.len();
    said(format!(
        "HTTP/1.1 200 OK\r\nCache-Control: {control}\r\nContent-Length: {length}\r\n\r\n{body}"
    ))
}

/// A gate that is shut until it is opened. Clones are the same gate.
#[derive(Clone, Debug)]
pub(crate) struct Gate(Arc<watch::Sender<bool>>);

impl Default for Gate {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Gate {
    pub(crate) fn open(&self) {
        self.0.send_replace(true);
    }

    async fn pass(&self) {
        let mut gate = self.0.subscribe();
        let _ = gate.wait_for(|is_open| *is_open).await;
    }
}

/// An origin that answers as a script says.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    received: Received,
    connections: Arc<Mutex<Vec<AbortHandle>>>,
    listening: AbortHandle,
}

type Received = Arc<Mutex<Vec<Message>>>;

impl Origin {
    /// An origin that does what `script` says.
    pub(crate) async fn start(
        script: impl Fn(&Message, usize) -> Script + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (received, connections) = (Received::default(), Arc::default());
        let listening = beside(listen(
            listener,
            Arc::new(script),
            Arc::clone(&received),
            Arc::clone(&connections),
        ));
        Self {
            address,
            received,
            connections,
            listening: listening.abort_handle(),
        }
    }

    /// How many requests it has got.
    pub(crate) fn calls(&self) -> usize {
        self.received.lock().unwrap().len()
    }

    /// Waits until it has got this many.
    pub(crate) async fn reached(&self, calls: usize) {
        let what = format!("call number {calls} of the origin");
        until(&what, || self.calls() >= calls).await;
    }

    /// The request of that number, from 0, with what was read of its body.
    pub(crate) fn received(&self, number: usize) -> Message {
        self.received.lock().unwrap()[number].clone()
    }

    /// Goes away: its connections are closed, and new ones refused.
    pub(crate) async fn stop(&self) {
        self.listening.abort();
        for connection in self.connections.lock().unwrap().drain(..) {
            connection.abort();
        }
        let refused = async { while TcpStream::connect(self.address).await.is_ok() {} };
        within("the origin to be gone", refused).await;
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn listen(
    listener: TcpListener,
    script: Arc<Scripts>,
    received: Received,
    connections: Arc<Mutex<Vec<AbortHandle>>>,
) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (script, received) = (Arc::clone(&script), Arc::clone(&received));
        let connection = beside(async move { answer(stream, &*script, &received).await });
        connections.lock().unwrap().push(connection.abort_handle());
    }
}

async fn answer(stream: TcpStream, script: &Scripts, received: &Received) {
    let mut stream = BufReader::new(stream);
    while let Some(mut request) = Message::head(&mut stream).await {
        let number = received.lock().unwrap().len();
        received.lock().unwrap().push(request.clone());
        let steps = script(&request, number);
        if !steps.iter().any(|step| matches!(step, Step::Read)) {
            read(&mut stream, &mut request, received, number).await;
        }
        for step in steps {
            match step {
                Step::Say(text) => {
                    if stream.write_all(text.as_bytes()).await.is_err() {
                        return;
                    }
                }
                Step::Wait(gate) => gate.pass().await,
                Step::Read => read(&mut stream, &mut request, received, number).await,
                Step::Echo => return echo(stream).await,
                Step::HangUp => return,
                Step::Reset => return stream.get_ref().set_zero_linger().unwrap(),
            }
        }
    }
}

async fn read(
    stream: &mut BufReader<TcpStream>,
    request: &mut Message,
    received: &Received,
    number: usize,
) {
    // A body that is cut is what there is of it.
    let _ = request.read_body(stream).await;
    received.lock().unwrap()[number] = request.clone();
}

async fn echo(mut stream: BufReader<TcpStream>) {
    let mut bytes = [0; 1024];
    while let Ok(length @ 1..) = stream.read(&mut bytes).await {
        if stream.write_all(&bytes[..length]).await.is_err() {
            return;
        }
    }
}
