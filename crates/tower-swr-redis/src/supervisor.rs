//! Who keeps the connection: asks the server for its time every so often, gives up a connection that does not answer, and
//! dials anew.
//!
//! A connection that is silent never reports an error, so being asked is the only way to find it out; and the old one is
//! not waited for, since the network may have healed for new ones only.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::select;
use redis::{RedisError, from_redis_value};
use tokio::sync::watch;
use tower_swr_core::FarError;

use crate::connection::Link;
use crate::error::far_error;
use crate::line::Connection;

/// The time between two questions, and between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(200);
/// The time until the next attempt where a server is there that does not want us.
const LONG_PAUSE: Duration = Duration::from_secs(1);
/// So many questions without an answer, and the connection is given up.
const MOST_FAILURES: u32 = 2;

/// Runs `task` until the handle it serves is gone.
pub(crate) async fn until_closed(
    mut closing: watch::Receiver<()>,
    task: impl Future<Output = ()> + Send,
) {
    let closed = Box::pin(async move { while closing.changed().await.is_ok() {} });
    select(closed, Box::pin(task)).await;
}

pub(crate) async fn supervise(link: Arc<Link>) {
    loop {
        match connect(&link).await {
            Ok(connection) => {
                link.come_up(connection);
                watch_over(&link).await;
            }
            Err(reason) => {
                let pause = match reason {
                    FarError::Denied | FarError::Unexpected { .. } => LONG_PAUSE,
                    _ => PAUSE,
                };
                link.stay_down(reason);
                link.ports().clock.sleep(pause).await;
            }
        }
    }
}

/// A connection on which the server has told its time.
async fn connect(link: &Link) -> Result<Connection, FarError> {
    let connection = link.dialer.dial().await?;
    probe(link, connection.clone()).await?;
    Ok(connection)
}

/// Returns once the connection was given up, by whomever.
async fn watch_over(link: &Link) {
    let mut failures = 0;
    loop {
        if failures == 0 {
            let pause = link.ports().clock.sleep(PAUSE);
            select(pause, Box::pin(link.trouble.notified())).await;
        }
        let Some((connection, number)) = link.connection() else {
            return;
        };
        match probe(link, connection).await {
            Ok(()) => failures = 0,
            Err(reason) => {
                failures += 1;
                let is_gone = reason == FarError::Disconnected;
                if failures >= MOST_FAILURES || is_gone {
                    link.give_up(number, reason);
                }
            }
        }
    }
}

async fn probe(link: &Link, mut connection: Connection) -> Result<(), FarError> {
    let clock = &link.ports().clock;
    let asked = clock.now();
    let question = async move {
        let answer = connection.ask_time().await?;
        from_redis_value::<(u64, u64)>(answer).map_err(RedisError::from)
    };
    let answer = link.in_time(question).await?;
    let (seconds, micros) = answer.map_err(|error| far_error(&error, "TIME"))?;
    let millis = seconds.saturating_mul(1000).saturating_add(micros / 1000);
    link.set_clock(asked, clock.now(), millis);
    Ok(())
}
