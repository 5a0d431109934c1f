//! The program: reads the settings, serves until a signal, and says why if it cannot.

use std::io::{IsTerminal as _, stderr};
use std::process::ExitCode;

use axum_db::{Settings, serve, stop_signal};
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    let settings = Settings::read();
    let filter = EnvFilter::builder().parse_lossy(&settings.log);
    // Standard output is for what the user may want to copy; the log goes beside it.
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal())
        .init();

    match run(settings).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("axum-db: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(settings: Settings) -> Result<(), Box<dyn std::error::Error>> {
    Ok(serve(settings, stop_signal()?).await?)
}
