#![allow(
    dead_code,
    clippy::disallowed_methods,
    reason = "a real server does not run on a clock that a test can move, and not every test uses all of it"
)]

use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis::{Client, Connection, FromRedisValue};
use tempfile::TempDir;

/// A server of our own; it goes when this is dropped.
pub(crate) struct Server {
    pub(crate) port: u16,
    arguments: Vec<String>,
    folder: TempDir,
    process: Option<Child>,
}

impl Server {
    /// One that answers.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// One that answers, with `arguments` of its own.
    pub(crate) fn start_with(arguments: &[&str]) -> Self {
        let mut server = Self::planned(arguments);
        server.restart();
        server
    }

    /// One that is not there yet.
    pub(crate) fn planned(arguments: &[&str]) -> Self {
        Self::planned_at(free_port(), arguments)
    }

    pub(crate) fn planned_at(port: u16, arguments: &[&str]) -> Self {
        Self {
            port,
            arguments: arguments.iter().map(|&it| it.to_owned()).collect(),
            folder: tempfile::tempdir().expect("a folder for the server"),
            process: None,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Starts it with what it was last told to `SAVE`; as a rule that is nothing.
    pub(crate) fn restart(&mut self) {
        let mut command = Command::new(PROGRAM);
        command
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no", "--loglevel", "warning"])
            .arg("--dir")
            .arg(self.folder.path())
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        self.process = Some(spawn(&mut command));
        self.wait_until_it_answers();
    }

    /// One of those who watch the master at `port` of 127.0.0.1, and call it `shop`.
    pub(crate) fn start_sentinel(master: u16) -> Self {
        let mut server = Self::planned(&[]);
        let settings = format!(
            "port {}\nbind 127.0.0.1\nsentinel monitor shop 127.0.0.1 {master} 2\n\
             sentinel down-after-milliseconds shop 1000\nsentinel failover-timeout shop 5000\n",
            server.port,
        );
        let file = server.folder.path().join("sentinel.conf");
        std::fs::write(&file, settings).expect("a file in a folder of our own");
        let mut command = Command::new(PROGRAM);
        command
            .arg(file)
            .args(["--sentinel", "--loglevel", "warning"]);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        server.process = Some(spawn(&mut command));
        server.wait_until_it_answers();
        server
    }

    fn wait_until_it_answers(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.try_connect().is_none() {
            let process = self.process.as_mut().expect("it was started");
            let ended = process.try_wait().expect("it is our child");
            assert!(ended.is_none(), "redis-server has ended: {ended:?}");
            assert!(Instant::now() < deadline, "redis-server does not answer");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn try_connect(&self) -> Option<Connection> {
        let client = Client::open(self.admin_url()).expect("a sound URL");
        let mut connection = client.get_connection().ok()?;
        redis::cmd("PING").exec(&mut connection).ok()?;
        Some(connection)
    }

    fn admin_url(&self) -> String {
        let password = self
            .arguments
            .iter()
            .skip_while(|it| *it != "--requirepass");
        match password.into_iter().nth(1) {
            None => self.url(),
            Some(password) => format!("redis://:{password}@127.0.0.1:{}", self.port),
        }
    }

    /// Asks it anything.
    pub(crate) fn ask<T: FromRedisValue>(&self, command: &[&str]) -> T {
        let mut connection = self.try_connect().expect("the server answers");
        let (name, arguments) = command.split_first().expect("a command");
        let mut question = redis::cmd(name);
        question.arg(arguments);
        question
            .query(&mut connection)
            .unwrap_or_else(|error| panic!("{command:?}: {error}"))
    }

    /// Kills it, as a crash would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("it is our child");
            process.wait().expect("it is our child");
        }
    }

    /// Stops it: it neither answers nor ends.
    pub(crate) fn freeze(&self) {
        self.signal("-STOP");
    }

    pub(crate) fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let process = self.process.as_ref().expect("it runs");
        let told = Command::new("kill")
            .args([signal, &process.id().to_string()])
            .status();
        assert!(told.expect("`kill` can be run").success());
    }
}

const PROGRAM: &str = "redis-server";

fn spawn(command: &mut Command) -> Child {
    command.spawn().unwrap_or_else(|error| match error.kind() {
        ErrorKind::NotFound => panic!(
            "redis-server is not on the PATH: install the package redis-server, or run ./tests/run, which does"
        ),
        _ => panic!("redis-server cannot be started: {error}"),
    })
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that nobody has now.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("it is bound").port()
}
