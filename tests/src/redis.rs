//! A Redis server of a story's own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use crate::deadline::until;

/// A server on the loopback that keeps nothing on disk; it goes when this is dropped.
#[derive(Debug)]
pub struct RedisServer {
    port: u16,
    process: Child,
}

impl RedisServer {
    /// One that answers.
    pub async fn start() -> Self {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = free.local_addr().expect("it is bound").port();
        drop(free);
        let process = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is there: ./tests/run installs it");
        let server = Self { port, process };
        until("redis-server answers", || server.connect().is_some()).await;
        server
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Asks something whose answer has one line, which is returned as it came.
    #[must_use]
    pub fn ask(&self, question: &str) -> String {
        let mut connection = self.connect().expect("it answers");
        write!(connection, "{question}\r\n").expect("it listens");
        let mut answer = String::new();
        let mut reader = BufReader::new(connection);
        reader.read_line(&mut answer).expect("an answer");
        answer.trim_end().to_owned()
    }

    fn connect(&self) -> Option<TcpStream> {
        TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).ok()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
