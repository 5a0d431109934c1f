//! The tape as its writer and its readers see it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(
    clippy::disallowed_methods,
    reason = "the runtime is the test's own, and its time is paused"
)]

mod any_order;
mod early_end;
mod many;
mod under_the_limit;
mod unlocked;
mod window;

use std::future::{Future, pending, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::SystemTime;

use bytes::Bytes;
use http_body::Frame;
use tower_swr_core::{Moment, Sleep, SystemClock};

use super::reel::CHUNK_OVERHEAD;
use super::*;

const IDLE: Duration = Duration::from_secs(30);
const MS: Duration = Duration::from_millis(1);

fn new(limit: usize) -> (TapeWriter, TapeReader) {
    tape(limit, Arc::new(SystemClock::default()), IDLE)
}

/// A tape outside of a runtime: its writer waits for ever.
fn timeless(limit: usize) -> (TapeWriter, TapeReader) {
    tape(limit, Arc::new(Stopped), IDLE)
}

/// No wait of this clock ends, nor does it keep a waker.
#[derive(Debug)]
struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Moment {
        Moment::ORIGIN
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }

    fn sleep(&self, _: Duration) -> Sleep {
        Box::pin(pending())
    }
}

/// A limit that `chunks` chunks of `len` bytes just reach.
fn room_for(chunks: usize, len: usize) -> usize {
    chunks * (len + CHUNK_OVERHEAD)
}

fn chunk(len: usize) -> Bytes {
    (0..len).map(|i| (i % 251) as u8).collect()
}

async fn frame(reader: &mut TapeReader) -> Option<Result<Frame<Bytes>, TapeError>> {
    poll_fn(|cx| reader.poll_frame(cx)).await
}

async fn data(reader: &mut TapeReader) -> Bytes {
    let frame = frame(reader).await.expect("the tape goes on");
    frame.expect("no error yet").into_data().expect("a chunk")
}

/// What a reader reads to the end, and its error.
async fn text(mut reader: TapeReader) -> (Vec<u8>, Option<TapeError>) {
    let mut text = Vec::new();
    while let Some(frame) = frame(&mut reader).await {
        match frame {
            Ok(frame) => text.extend_from_slice(&frame.into_data().unwrap_or_default()),
            Err(error) => return (text, Some(error)),
        }
    }
    (text, None)
}

/// Polls once, woken for nothing.
fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn poll_reader(reader: &mut TapeReader) -> Poll<Option<Result<Frame<Bytes>, TapeError>>> {
    reader.poll_frame(&mut Context::from_waker(Waker::noop()))
}

/// Writes where no wait may be necessary.
fn put(writer: &mut TapeWriter, chunk: impl Into<Bytes>) -> Result<(), NoReaders> {
    match poll_once(pin!(writer.write(chunk.into()))) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("write waits"),
    }
}

fn put_all(writer: &mut TapeWriter, chunks: usize, len: usize) {
    for _ in 0..chunks {
        put(writer, chunk(len)).expect("there are readers");
    }
}
