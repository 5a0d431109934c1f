//! An origin that several processes ask, and that says what the story wants when the story wants it.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tower_swr::HttpCache;

use crate::deadline::within;

/// The origin.
#[derive(Debug)]
pub struct Teller {
    listener: TcpListener,
    /// Where it is.
    pub address: SocketAddr,
}

/// Somebody who waits for an answer.
#[derive(Debug)]
pub struct Call {
    /// Who it is.
    pub name: String,
    stream: TcpStream,
}

impl Teller {
    /// One whom nobody has asked yet.
    pub async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("the loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        Self { listener, address }
    }

    /// The next who asks.
    pub async fn call(&self) -> Call {
        let calling = async {
            let (stream, _) = self.listener.accept().await.expect("a caller");
            let (mut stream, mut name) = (BufReader::new(stream), String::new());
            stream.read_line(&mut name).await.expect("a name");
            Call {
                name: name.trim_end().to_owned(),
                stream: stream.into_inner(),
            }
        };
        within("a call of the origin", calling).await
    }
}

impl Call {
    /// Answers it.
    pub async fn say(mut self, text: &str) {
        let said = self.stream.write_all(text.as_bytes()).await;
        said.expect("it listens");
    }
}

/// An application whose one page says what the origin at `teller` says to who calls itself `name`. Two seconds fresh, ten
/// minutes stale.
pub fn told_by(teller: SocketAddr, name: &'static str, cache: &HttpCache) -> Router {
    let layer = cache.layer("told").max_age(Duration::from_secs(2));
    let layer = layer.stale_while_revalidate(Duration::from_secs(600));
    Router::new().route("/", get(move || ask(teller, name)).layer(layer))
}

async fn ask(teller: SocketAddr, name: &'static str) -> String {
    let mut stream = TcpStream::connect(teller)
        .await
        .expect("the origin is there");
    let asked = stream.write_all(format!("{name}\n").as_bytes()).await;
    asked.expect("it listens");
    let mut text = String::new();
    stream.read_to_string(&mut text).await.expect("an answer");
    text
}
