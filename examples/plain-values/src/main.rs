//! A row that takes long to find, behind the engine alone: one query however many ask. No HTTP, no tower.
//!
//! ```text
//! cargo run --release -p plain-values
//! ```
//!
//! `Rows::get` is what an application would write; above it is the crowd that asks, below it the slow database.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tower_swr_core::{
    Cache, CacheBuilder, Entry, FlightPolicy, GetError, KeyText, Lifetime, Made, MemorySettings,
};

/// How many ask at one time.
const CROWD: usize = 1000;

#[tokio::main]
async fn main() {
    let rows = Rows::new();

    println!("Nothing is kept yet: one of the crowd makes the query, the others wait for its row.");
    ask(&rows, 70_000).await;

    println!("The row is kept now.");
    ask(&rows, 70_000).await;

    println!("Somebody has changed it and says so: what is kept does not count any more.");
    rows.purge(70_000);
    ask(&rows, 70_000).await;

    println!("Of a row that is not there all learn from one query. An error is not kept.");
    ask(&rows, 80_000).await;
}

/// Lets the whole crowd ask for one row, and prints what came of it.
async fn ask(rows: &Rows, id: usize) {
    let queries_before = rows.database.queries();
    let mut crowd = JoinSet::new();
    for _ in 0..CROWD {
        let rows = rows.clone();
        crowd.spawn(async move { rows.get(id).await });
    }
    let results = crowd.join_all().await;
    let queries = rows.database.queries() - queries_before;

    match &results[0] {
        Ok(entry) => println!("  {}", entry.value()),
        Err(error) => {
            let cause = error.source().map(ToString::to_string);
            println!("  {error}: {}", cause.unwrap_or_default());
        }
    }
    let answers = results.iter().filter(|result| result.is_ok()).count();
    print!("  {answers} answers");
    if answers < CROWD {
        print!(", {} errors", CROWD - answers);
    }
    let noun = if queries == 1 { "query" } else { "queries" };
    let violations = rows.cache.stats().stampede_violations;
    println!(", {queries} {noun}, stampede violations {violations}");
}

/// The rows of a database, through the cache. Clones share everything.
#[derive(Clone)]
struct Rows {
    cache: Cache<Row>,
    policy: Arc<FlightPolicy>,
    database: Arc<Database>,
}

impl Rows {
    fn new() -> Self {
        Self {
            cache: CacheBuilder::new(MemorySettings::new(1 << 20)).build(),
            policy: Arc::new(FlightPolicy::default()),
            database: Arc::new(Database::default()),
        }
    }

    /// The row, kept for a minute and served for two more while one query renews it.
    async fn get(&self, id: usize) -> Result<Arc<Entry<Row>>, GetError> {
        let database = Arc::clone(&self.database);
        // Nothing happens in here until the engine finds that somebody has to ask the database.
        let query = async move {
            let row = database.find(id).await?;
            let lifetime = Lifetime::fresh_for(Duration::from_secs(60))
                .stale_while_revalidate(Duration::from_secs(120));
            Ok::<_, NoSuchRow>(Made::new(row, lifetime))
        };
        self.cache.get(&key(id).key(), &self.policy, query).await
    }

    fn purge(&self, id: usize) {
        self.cache.purge(key(id).key().resource());
    }
}

/// What a row is kept under, in the scope `rows`.
fn key(id: usize) -> KeyText {
    let mut text = KeyText::new("rows");
    text.push(&id.to_le_bytes());
    text
}

struct Row {
    id: usize,
    prime: u32,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Row {} holds the prime {}.", self.id, self.prime)
    }
}

/// A large table without an index: every query reads it from the beginning.
#[derive(Default)]
struct Database {
    queries: AtomicU64,
}

impl Database {
    /// Reads on until the row is found, or to the end of the table.
    #[allow(
        clippy::disallowed_methods,
        reason = "an origin may block, on a thread made for it"
    )]
    async fn find(&self, id: usize) -> Result<Row, NoSuchRow> {
        self.queries.fetch_add(1, Ordering::Relaxed);
        let mut table = (2..1_000_000).filter(|number| is_prime(*number));
        let found = tokio::task::spawn_blocking(move || table.nth(id)).await;
        match found.expect("reading a table does not panic") {
            Some(prime) => Ok(Row { id, prime }),
            None => Err(NoSuchRow(id)),
        }
    }

    fn queries(&self) -> u64 {
        self.queries.load(Ordering::Relaxed)
    }
}

fn is_prime(number: u32) -> bool {
    let mut divisors = (2..).take_while(|divisor| divisor * divisor <= number);
    divisors.all(|divisor| !number.is_multiple_of(divisor))
}

#[derive(Debug)]
struct NoSuchRow(usize);

impl fmt::Display for NoSuchRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no row {}", self.0)
    }
}

impl Error for NoSuchRow {}
