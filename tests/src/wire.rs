//! HTTP/1.1 byte by byte: what a connection really carries.

use std::io::ErrorKind;
use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::deadline::within;

/// A connection that is written and read by hand. It trusts no library with the framing, so an answer that is longer or
/// shorter than it says makes what follows it unreadable.
#[derive(Debug)]
pub struct Wire {
    stream: BufReader<TcpStream>,
    host: String,
}

/// An answer as it was read from the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawAnswer {
    /// Its status.
    pub status: u16,
    /// The lines of its fields.
    pub fields: Vec<String>,
    /// Its body, without the framing.
    pub body: String,
}

impl RawAnswer {
    /// The only field of that name; empty where there is none.
    #[must_use]
    pub fn field(&self, name: &str) -> &str {
        let named = |line: &&String| {
            let (found, _) = line.split_once(':').expect("a field has a colon");
            found.eq_ignore_ascii_case(name)
        };
        let mut found = self.fields.iter().filter(named);
        let line = found.next();
        assert_eq!(found.next(), None, "{name} is there once");
        line.map_or("", |line| line[name.len() + 1..].trim())
    }

    /// What the cache says it did.
    #[must_use]
    pub fn verb(&self) -> &str {
        self.field("x-cache")
    }
}

impl Wire {
    /// Connects to `address`.
    pub async fn connect(address: SocketAddr) -> Self {
        let socket = within("a connection", TcpStream::connect(address)).await;
        Self {
            stream: BufReader::new(socket.expect("the server listens")),
            host: address.to_string(),
        }
    }

    /// A request of this server, as it is written: the line without its version, further fields with their line ends.
    #[must_use]
    pub fn request(&self, line: &str, fields: &str) -> String {
        format!("{line} HTTP/1.1\r\nHost: {}\r\n{fields}\r\n", self.host)
    }

    /// Writes a request without further fields.
    pub async fn ask(&mut self, line: &str) {
        let request = self.request(line, "");
        self.write(request).await;
    }

    /// Writes `bytes` as they are.
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        let written = within("room to write", self.stream.write_all(bytes.as_ref())).await;
        written.expect("the connection is open");
    }

    /// Writes `bytes` unless the server closes the connection before it has taken all of them.
    pub async fn write_what_is_taken(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = within("room to write", self.stream.write_all(bytes.as_ref())).await;
    }

    /// The next answer, to a request that was no `HEAD`.
    pub async fn answer(&mut self) -> RawAnswer {
        let answer = self.next_answer(true).await;
        answer.expect("the connection is open")
    }

    /// The next answer, to a `HEAD`: nothing follows its fields, whatever they say.
    pub async fn answer_to_head(&mut self) -> RawAnswer {
        let answer = self.next_answer(false).await;
        answer.expect("the connection is open")
    }

    /// The next answer, unless the server has closed the connection instead.
    pub async fn answer_or_end(&mut self) -> Option<RawAnswer> {
        self.next_answer(true).await
    }

    async fn next_answer(&mut self, has_body: bool) -> Option<RawAnswer> {
        let first = self.line().await?;
        let status = first
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3)?.parse().ok())
            .unwrap_or_else(|| panic!("out of step: {first:?} where an answer should begin"));
        let mut answer = RawAnswer {
            status,
            fields: Vec::new(),
            body: String::new(),
        };
        loop {
            let line = self.line().await.expect("a head comes to its end");
            if line.is_empty() {
                break;
            }
            answer.fields.push(line);
        }
        if has_body && status >= 200 && status != 204 && status != 304 {
            answer.body = self.body(&answer).await;
        }
        Some(answer)
    }

    async fn body(&mut self, head: &RawAnswer) -> String {
        if head.field("transfer-encoding") == "chunked" {
            assert_eq!(head.field("content-length"), "", "one framing, not two");
            return self.chunks().await;
        }
        let length = head.field("content-length").parse();
        self.exactly(length.expect("an answer says where it ends"))
            .await
    }

    async fn chunks(&mut self) -> String {
        let mut whole = String::new();
        loop {
            let line = self.line().await.expect("the chunks come to their end");
            let size = usize::from_str_radix(&line, 16).expect("the size of a chunk");
            whole += &self.exactly(size).await;
            let end = self.line().await;
            assert_eq!(end.as_deref(), Some(""), "a chunk is as long as it says");
            if size == 0 {
                return whole;
            }
        }
    }

    async fn exactly(&mut self, bytes: usize) -> String {
        let mut read = vec![0; bytes];
        let whole = within("a body", self.stream.read_exact(&mut read)).await;
        whole.expect("a body is as long as it says");
        String::from_utf8(read).expect("the stories' origins answer in UTF-8")
    }

    /// A line without its end; nothing where the connection ends instead, be it with a reset: a server that closes it
    /// before it has read everything causes one.
    async fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        match within("a line", self.stream.read_until(b'\n', &mut line)).await {
            Ok(0) => return None,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
            Err(error) => panic!("the connection broke: {error}"),
        }
        let line = String::from_utf8(line).expect("a head is ASCII");
        let line = line.strip_suffix("\r\n");
        Some(line.expect("a line has an end").to_owned())
    }
}
