#![allow(
    dead_code,
    clippy::disallowed_methods,
    reason = "a real server does not run on a clock that a test can move, and not every test uses all of it"
)]

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, ErrorKind, copy, sink};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use redis::{Client, Connection, FromRedisValue, RedisResult};
use tempfile::TempDir;

/// A server of our own; it goes when this is dropped.
pub(crate) struct Server {
    pub(crate) port: u16,
    program: OsString,
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

    /// A Valkey: the program that `VALKEY_SERVER` names, or else one on the `PATH`. None where there is none.
    pub(crate) fn start_valkey() -> Option<Self> {
        let named = std::env::var_os("VALKEY_SERVER");
        let program = named.clone().unwrap_or("valkey-server".into());
        let version = match Command::new(&program).arg("--version").output() {
            Ok(output) => String::from_utf8_lossy(&output.stdout).into_owned(),
            Err(error) if named.is_some() => panic!("{program:?} cannot be started: {error}"),
            Err(_) => return None,
        };
        assert!(
            version.starts_with("Valkey"),
            "{program:?} is none: {version}"
        );
        println!("{}", version.trim_end());
        let mut server = Self::planned(&[]);
        server.program = program;
        server.restart();
        Some(server)
    }

    /// One that is not there yet.
    pub(crate) fn planned(arguments: &[&str]) -> Self {
        Self::planned_at(free_port(), arguments)
    }

    pub(crate) fn planned_at(port: u16, arguments: &[&str]) -> Self {
        Self {
            port,
            program: PROGRAM.into(),
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
        let mut command = Command::new(&self.program);
        command
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no", "--loglevel", "notice"])
            .arg("--dir")
            .arg(self.folder.path())
            .args(&self.arguments);
        self.run(&mut command);
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
        let mut command = Command::new(&server.program);
        command.arg(file).arg("--sentinel");
        server.run(&mut command);
        server
    }

    /// Returns once it says that it takes connections.
    fn run(&mut self, command: &mut Command) {
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let process = self.process.insert(spawn(command));
        let log = process.stdout.take().expect("it is piped");
        let (says_so, ready) = channel();
        std::thread::spawn(move || read_log(log, &says_so));
        // One that has ended says nothing any more, and is not waited for.
        let outcome = ready.recv_timeout(PATIENCE);
        assert!(outcome.is_ok(), "redis-server is not ready: {outcome:?}");
    }

    fn connect(&self) -> Connection {
        let client = Client::open(self.admin_url()).expect("a sound URL");
        client.get_connection().expect("the server answers")
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
        let answer = self.try_ask(command);
        answer.unwrap_or_else(|error| panic!("{command:?}: {error}"))
    }

    /// The same of a server that may close the connection, as one does that becomes a replica.
    pub(crate) fn try_ask<T: FromRedisValue>(&self, command: &[&str]) -> RedisResult<T> {
        let mut connection = self.connect();
        let (name, arguments) = command.split_first().expect("a command");
        let mut question = redis::cmd(name);
        question.arg(arguments);
        question.query(&mut connection)
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

/// Mandatory, which a Valkey is not.
const PROGRAM: &str = "redis-server";

/// What a server, or a Sentinel, says once it takes connections.
const READY: [&str; 2] = ["Ready to accept connections", "Sentinel ID is"];
/// What a start may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// To its end, or the server would wait for somebody to read on.
fn read_log(log: ChildStdout, ready: &Sender<()>) {
    let mut log = BufReader::new(log);
    let mut line = String::new();
    while !READY.iter().any(|said| line.contains(said)) {
        line.clear();
        if !matches!(log.read_line(&mut line), Ok(1..)) {
            return;
        }
    }
    // Whoever waited may have given up.
    let _ = ready.send(());
    let _ = copy(&mut log, &mut sink());
}

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
