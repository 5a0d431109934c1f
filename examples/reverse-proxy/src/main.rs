//! The program: reads the settings, serves until a signal, and says why if it cannot.

use std::io::{IsTerminal as _, stderr};
use std::process::ExitCode;

use clap::Parser as _;
use reverse_proxy::{Settings, serve, stop_signal};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::Directive;

#[tokio::main]
async fn main() -> ExitCode {
    let settings = Settings::parse();
    let mut filter = EnvFilter::builder().parse_lossy(&settings.log);
    if settings.bypass_cookies {
        // What the cache says of it is meant for who sets it up in code; the server says which option is meant.
        let hint = "tower_swr::route=error".parse::<Directive>();
        filter = filter.add_directive(hint.expect("a module and a level make a directive"));
    }
    // Standard output is for what the user may want to copy; the log goes beside it.
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal())
        .init();

    match run(settings).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("reverse-proxy: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(settings: Settings) -> Result<(), Box<dyn std::error::Error>> {
    Ok(serve(settings, stop_signal()?).await?)
}
