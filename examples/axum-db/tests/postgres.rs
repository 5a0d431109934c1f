//! The application over a PostgreSQL server of its own.

#![allow(clippy::unwrap_used, reason = "a test's panic is its report")]
#![cfg(unix)]

mod support;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use axum::http::StatusCode;
use axum_db::{Database, DatabaseLocation, Region};
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;
use support::{CACHE_BYTES, ORDERS, get, lifetime};
use tempfile::TempDir;
use tower_swr::HttpCache;

#[tokio::test(flavor = "multi_thread")]
async fn postgres_serves_the_same_reports_as_sqlite() {
    let cluster = Cluster::start();
    let location: DatabaseLocation = cluster.url().parse().unwrap();

    // Two at once, as when two instances of a service start on an empty database.
    let (one, other) = tokio::join!(
        Database::open(&location, ORDERS),
        Database::open(&location, ORDERS)
    );
    let (postgres, other) = (one.unwrap(), other.unwrap());
    assert_eq!((postgres.orders(), other.orders()), (ORDERS, ORDERS));

    let sqlite = support::Shop::open().await;
    let router = axum_db::router(
        postgres.clone(),
        HttpCache::in_memory(CACHE_BYTES),
        lifetime(),
    );
    for region in Region::ALL {
        for route in ["/report", "/raw/report"] {
            let path = format!("{route}/{}", region.name());
            let answer = get(&router, &path).await;
            assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
            assert_eq!(
                answer.json()["rows"],
                sqlite.get(&path).await.json()["rows"],
                "{path}"
            );
        }
    }
    assert_eq!(
        get(&router, "/stats").await.json()["queries"],
        postgres.queries()
    );

    // A later start with another size keeps what is there.
    let later = Database::open(&location, 2 * ORDERS).await.unwrap();
    assert_eq!(later.orders(), ORDERS);

    // What a failing query looks like from outside.
    let mut connection = PgConnection::connect(&cluster.url()).await.unwrap();
    sqlx::query("DROP TABLE shop_order_line")
        .execute(&mut connection)
        .await
        .unwrap();
    let answer = get(&router, "/raw/report/north").await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert!(!answer.text.contains("shop_order_line"), "{}", answer.text);
}

/// A PostgreSQL server on a free loopback port, with its data in a folder that goes with it.
struct Cluster {
    binaries: PathBuf,
    port: u16,
    folder: TempDir,
}

impl Cluster {
    fn start() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("axum-db-postgres")
            .tempdir()
            .unwrap();
        let cluster = Self {
            binaries: binaries(),
            port: free_port(),
            folder,
        };
        if is_root() {
            // PostgreSQL refuses to run as root, so the folder must belong to the user it runs as.
            succeed(
                Command::new("chown")
                    .arg("postgres")
                    .arg(cluster.folder.path()),
            );
        }
        let auth = [
            "--username=postgres",
            "--auth=trust",
            "--no-sync",
            "--encoding=UTF8",
            "--locale=C",
        ];
        succeed(
            cluster
                .tool("initdb")
                .arg("-D")
                .arg(cluster.data())
                .args(auth),
        );
        let socket = cluster.folder.path().display();
        let options = format!(
            "-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories='{socket}' -c fsync=off",
            cluster.port
        );
        let mut start = cluster.tool("pg_ctl");
        start
            .args(["start", "-w", "-s", "-o", &options, "-l"])
            .arg(cluster.folder.path().join("log"));
        succeed(start.arg("-D").arg(cluster.data()));
        cluster
    }

    fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// One of the server's programs, as a user that it accepts.
    fn tool(&self, name: &str) -> Command {
        let path = self.binaries.join(name);
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(path);
            command
        } else {
            Command::new(path)
        };
        // The user postgres may not be allowed into the folder that the test was started in.
        command.current_dir(self.folder.path());
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Not asserted: the start may have failed half-way, and that failure is the one to report.
        let _ = self
            .tool("pg_ctl")
            .args(["stop", "-w", "-s", "-m", "immediate", "-D"])
            .arg(self.data())
            .output();
    }
}

/// The folder with `initdb`: on the path, or where the distributions hide it.
#[allow(
    clippy::disallowed_methods,
    reason = "only the environment knows the path"
)]
fn binaries() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let hidden = ["/usr/lib/postgresql", "/usr/local/pgsql"].map(|root| versions(Path::new(root)));
    std::env::split_paths(&path)
        .chain(hidden.into_iter().flatten())
        .find(|folder| folder.join("initdb").exists())
        .expect("no PostgreSQL server (initdb) on this machine: run ./tests/run, which installs what the tests need")
}

/// `ROOT/bin` and `ROOT/VERSION/bin`, the newest version first.
fn versions(root: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = std::fs::read_dir(root)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .collect();
    folders.sort();
    folders.push(root.join("bin"));
    folders.reverse();
    folders
}

/// Asked of the system, so nobody else has it now; that nobody takes it before the server does is
/// likely, since the system hands out ports in turn.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn is_root() -> bool {
    Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| text(&output.stdout) == "0")
}

fn succeed(command: &mut Command) -> Output {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    output
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}
