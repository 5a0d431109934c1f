//! The program: reads the settings, serves until a signal, and says why if it cannot.

use std::error::Error;
use std::io::{self, IsTerminal as _, stderr};
use std::process::ExitCode;
use std::thread::available_parallelism;

use clap::Parser as _;
use reverse_proxy::{Settings, serve, stop_signal};
use tokio::runtime::{Builder, Runtime};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::Directive;

fn main() -> ExitCode {
    let settings = Settings::parse();
    log(&settings);
    match run(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("reverse-proxy: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Standard output is for what the user may want to copy; the log goes beside it.
fn log(settings: &Settings) {
    let mut filter = EnvFilter::builder().parse_lossy(&settings.log);
    if settings.bypass_cookies {
        // What the cache says of it is meant for who sets it up in code; the server says which option is meant.
        let hint = "tower_swr::route=error".parse::<Directive>();
        filter = filter.add_directive(hint.expect("a module and a level make a directive"));
    }
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal())
        .init();
}

fn run(settings: Settings) -> Result<(), Box<dyn Error>> {
    runtime()?.block_on(async { Ok(serve(settings, stop_signal()?).await?) })
}

/// As many threads as there are cores. Where there is one, it needs no scheduler that shares work between threads, which
/// would cost some percent of a hit.
fn runtime() -> io::Result<Runtime> {
    let is_alone = available_parallelism().is_ok_and(|cores| cores.get() == 1);
    let mut builder = match is_alone {
        true => Builder::new_current_thread(),
        false => Builder::new_multi_thread(),
    };
    builder.enable_all().build()
}
