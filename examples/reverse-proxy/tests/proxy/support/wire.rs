use std::net::{IpAddr, SocketAddr};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpSocket, TcpStream};

use super::deadline::within;
use super::message::{self, Message};

/// A client's connection that is written and read by hand.
#[derive(Debug)]
pub(crate) struct Wire(BufReader<TcpStream>);

impl Wire {
    pub(crate) async fn to(server: SocketAddr) -> Self {
        // Left to the system: a socket that is bound before it connects needs a port that nobody has used for a minute,
        // and after some thousand clients there are few of those.
        let stream = within("a connection", TcpStream::connect(server)).await;
        Self(BufReader::new(stream.unwrap()))
    }

    /// A connection of a client at `address`.
    pub(crate) async fn from(server: SocketAddr, address: IpAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(address, 0)).unwrap();
        let stream = within("a connection", socket.connect(server)).await;
        Self(BufReader::new(stream.unwrap()))
    }

    /// Writes `text` as it is.
    pub(crate) async fn write(&mut self, text: &str) {
        let written = within("room to write", self.0.write_all(text.as_bytes())).await;
        written.unwrap();
    }

    /// Writes `text` unless the other side closes the connection before it has taken all of it.
    pub(crate) async fn write_what_is_taken(&mut self, text: &str) {
        let _ = within("room to write", self.0.write_all(text.as_bytes())).await;
    }

    /// Writes the head of a request, of `line` without its version, for the host `test`.
    pub(crate) async fn begin(&mut self, line: &str, fields: &str) {
        let head = format!("{line} HTTP/1.1\r\nHost: test\r\n{fields}\r\n");
        self.write(&head).await;
    }

    /// The whole answer to such a request without a body.
    pub(crate) async fn ask(&mut self, line: &str, fields: &str) -> Message {
        self.begin(line, fields).await;
        let is_head = line.starts_with("HEAD ");
        let answer = if is_head {
            self.head().await
        } else {
            self.answer().await
        };
        answer.expect("the proxy answers")
    }

    pub(crate) async fn get(&mut self, path: &str) -> Message {
        self.ask(&format!("GET {path}"), "").await
    }

    /// The head of the next answer; nothing where the connection ends instead.
    pub(crate) async fn head(&mut self) -> Option<Message> {
        within("the head of an answer", Message::head(&mut self.0)).await
    }

    /// The next answer; nothing where the connection ends before it does.
    pub(crate) async fn answer(&mut self) -> Option<Message> {
        let mut answer = self.head().await?;
        let is_bare = matches!(answer.status(), 100..=199 | 204 | 304);
        if !is_bare {
            let body = within("a body", answer.read_body(&mut self.0)).await;
            body.ok()?;
        }
        Some(answer)
    }

    /// The next chunk of a body, which is not its end.
    pub(crate) async fn chunk(&mut self) -> String {
        let chunk = within("a chunk", message::chunk(&mut self.0)).await;
        chunk.unwrap().expect("the body goes on")
    }

    /// The next `length` bytes.
    pub(crate) async fn exactly(&mut self, length: usize) -> String {
        within("bytes", message::exactly(&mut self.0, length))
            .await
            .unwrap()
    }

    /// What comes until the connection ends, in whatever way.
    pub(crate) async fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        let _ = within("the end", self.0.read_to_end(&mut rest)).await;
        String::from_utf8(rest).unwrap()
    }
}
