use std::net::SocketAddr;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::deadline::within;
use super::origin::Origin;

/// The program with these arguments, not yet started.
pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reverse-proxy"));
    command
        .args(arguments)
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// The running program, killed when the test ends early.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Running {
    pub(crate) async fn before(origin: &Origin) -> Self {
        Self::with(&[], origin).await
    }

    pub(crate) async fn with(further: &[&str], origin: &Origin) -> Self {
        let address = format!("http://{}", origin.address);
        let usual = ["--listen", "127.0.0.1:0", "--origin", &address];
        let mut child = program(&[&usual, further].concat()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut welcome = String::new();
        while !welcome.contains("Stop:") {
            let line = within("the welcome", lines.next_line()).await.unwrap();
            welcome += &line.expect("the program is still talking");
        }
        assert!(welcome.contains(&address), "{welcome}");
        let open = welcome.split("Open:     http://").nth(1).unwrap();
        let address = open.split('/').next().unwrap().parse().unwrap();
        Self { child, address }
    }

    /// Ends it as a crash would.
    pub(crate) async fn kill(&mut self) {
        within("the end", self.child.kill()).await.unwrap();
    }

    /// Stops it: it neither answers nor ends, and its connections stay.
    pub(crate) async fn freeze(&self) {
        self.signal("STOP").await;
    }

    pub(crate) async fn thaw(&self) {
        self.signal("CONT").await;
    }

    async fn signal(&self, signal: &str) {
        let pid = self.child.id().unwrap().to_string();
        let sent = Command::new("kill").args(["-s", signal, &pid]).status();
        assert!(within("kill", sent).await.unwrap().success());
    }

    /// What it logged until it obeyed the signal.
    pub(crate) async fn log_until(mut self, signal: &str) -> String {
        self.signal(signal).await;
        let mut log = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        let read = stderr.read_to_string(&mut log);
        within("the log", read).await.unwrap();
        let ended = within("the end", self.child.wait()).await.unwrap();
        assert_eq!(ended.code(), Some(0), "SIG{signal}");
        log
    }
}
