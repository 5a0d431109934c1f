//! The life of a worker: open, tell, work, drain, close.

use tower_swr::RefreshWorker;
use tower_swr_redis::Redis;

use crate::database::Database;
use crate::router::router;
use crate::server::{STOP_DEADLINE, ServeError, close, tell};
use crate::settings::Settings;

/// Computes what the processes that serve leave to workers, until `stop` resolves.
pub(crate) async fn work(
    settings: Settings,
    redis: Redis,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    let mut stop = Box::pin(stop);
    let database = tokio::select! {
        opened = Database::open(&settings.database, settings.orders) => opened?,
        () = &mut stop => return Ok(()),
    };
    let app = router(
        database.clone(),
        settings.cache(),
        settings.report_lifetime(),
    );
    let (location, orders) = (&settings.database, database.orders());
    tell(&format!(
        "Database: {location} with {orders} orders\nWorks on refreshes; stop with Ctrl-C\n"
    ));
    let worker = RefreshWorker::new(redis, app).drain_deadline(STOP_DEADLINE);
    let done = worker.run_until(stop).await;
    tracing::info!(
        renewed = done.renewed,
        found = done.found,
        failed = done.failed,
        left = done.refused + done.unmet + done.unkept + done.unreadable,
        "no more refreshes are taken"
    );
    close(&database).await;
    Ok(())
}
