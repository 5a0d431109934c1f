//! The tape as its writer and its readers see it.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;
use proptest::collection::vec;
use proptest::prelude::*;
use tower_swr_core::{Clock, Moment, Sleep, SystemClock};

use super::reel::CHUNK_OVERHEAD;
use super::*;

const IDLE: Duration = Duration::from_secs(30);
const MS: Duration = Duration::from_millis(1);

fn new(limit: usize) -> (TapeWriter, TapeReader) {
    tape(limit, Arc::new(SystemClock::default()), IDLE)
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

// Under the limit.

#[tokio::test]
async fn early_and_late_readers_read_the_same() {
    let (mut writer, anchor) = new(1 << 20);
    let early = tokio::spawn(text(anchor.clone()));
    put(&mut writer, "one ").unwrap();
    tokio::task::yield_now().await;
    let late = tokio::spawn(text(anchor.clone()));
    put(&mut writer, "").unwrap();
    put(&mut writer, "two").unwrap();
    writer.finish();
    let after_the_end = text(anchor).await;

    let whole = (b"one two".to_vec(), None);
    assert_eq!(early.await.unwrap(), whole);
    assert_eq!(late.await.unwrap(), whole);
    assert_eq!(after_the_end, whole);
}

#[tokio::test]
async fn a_clone_goes_on_where_the_original_is() {
    let (mut writer, mut reader) = new(1 << 20);
    put(&mut writer, "one ").unwrap();
    put(&mut writer, "two").unwrap();
    assert_eq!(data(&mut reader).await, "one ");
    let clone = reader.clone();
    assert_eq!(data(&mut reader).await, "two");
    assert!(poll_reader(&mut reader).is_pending());
    let waiting = reader.clone();
    put(&mut writer, " three").unwrap();
    writer.finish();
    assert_eq!(text(clone).await, (b"two three".to_vec(), None));
    assert_eq!(text(waiting).await, (b" three".to_vec(), None));
    assert_eq!(text(reader.clone()).await, (b" three".to_vec(), None));
    assert_eq!(data(&mut reader).await, " three");
    assert!(frame(&mut reader).await.is_none());
    assert_eq!(text(reader.clone()).await, (Vec::new(), None));
}

#[tokio::test]
async fn up_to_the_limit_no_reader_is_needed_and_none_is_waited_for() {
    let (mut writer, reader) = new(room_for(4, 10));
    put_all(&mut writer, 2, 10);
    drop(reader);
    put_all(&mut writer, 2, 10);
    assert_eq!(writer.readers(), 0);
    assert!(!writer.overflowed());
    assert_eq!(writer.whole().unwrap().len(), 40);
}

#[test]
fn the_whole_is_one_exact_copy() {
    let (mut writer, _reader) = new(1 << 20);
    assert_eq!(writer.whole().unwrap(), "");
    let large = chunk(10_000);
    put(&mut writer, large.clone()).unwrap();
    assert_ne!(writer.whole().unwrap().as_ptr(), large.as_ptr());
    put(&mut writer, "tail").unwrap();

    let whole = writer.whole().unwrap();
    assert_eq!(whole, [&large[..], b"tail"].concat());
    assert!(whole.is_unique());
    let whole = Vec::from(whole);
    assert_eq!(whole.capacity(), 10_004);
}

#[test]
fn a_small_chunk_is_copied_and_a_large_one_kept() {
    let buffer = chunk(100_000);
    let (mut writer, mut reader) = new(1 << 20);
    for len in [4095, 4096] {
        put(&mut writer, buffer.slice(..len)).unwrap();
        let Poll::Ready(Some(Ok(frame))) = poll_reader(&mut reader) else {
            panic!("the chunk is there");
        };
        let kept = frame.into_data().unwrap();
        assert_eq!(kept, buffer.slice(..len));
        assert_eq!(kept.as_ptr() == buffer.as_ptr(), len == 4096);
    }
}

#[tokio::test]
async fn trailers_follow_the_last_chunk_for_every_reader() {
    let (mut writer, mut reader) = new(1 << 20);
    let other = reader.clone();
    put(&mut writer, "text").unwrap();
    let mut trailers = HeaderMap::new();
    trailers.insert("digest", "abc".parse().unwrap());
    writer.set_trailers(trailers.clone());
    writer.finish();
    for mut reader in [reader.clone(), other] {
        assert_eq!(data(&mut reader).await, "text");
        assert!(!reader.is_end(), "the trailers are to come");
        let last = frame(&mut reader).await.unwrap().unwrap();
        assert_eq!(last.into_trailers().unwrap(), trailers);
        assert!(reader.is_end());
        assert!(frame(&mut reader).await.is_none());
        assert!(frame(&mut reader.clone()).await.is_none());
    }
    assert_eq!(data(&mut reader).await, "text");
}

#[test]
fn the_end_is_known_as_soon_as_it_is_there() {
    let (mut writer, mut reader) = new(1 << 20);
    assert!(!reader.is_end());
    put(&mut writer, "text").unwrap();
    assert!(poll_reader(&mut reader).is_ready());
    assert!(!reader.is_end(), "the writer may go on");
    writer.finish();
    assert!(reader.is_end());

    let (writer, mut reader) = new(1 << 20);
    writer.cut(TapeError::Cut(CutReason::Long));
    assert!(!reader.is_end(), "the error is to come");
    assert!(poll_reader(&mut reader).is_ready());
    assert!(reader.is_end());
}

// Early ends.

#[tokio::test]
async fn a_cut_body_ends_with_its_error_after_what_was_written() {
    let (mut writer, reader) = new(1 << 20);
    let late = reader.clone();
    let early = tokio::spawn(text(reader));
    tokio::task::yield_now().await;
    put(&mut writer, "half").unwrap();
    writer.set_trailers(HeaderMap::new());
    let error = TapeError::Cut(CutReason::Short);
    writer.cut(error);
    assert_eq!(early.await.unwrap(), (b"half".to_vec(), Some(error)));
    assert_eq!(text(late).await, (b"half".to_vec(), Some(error)));
}

#[tokio::test]
async fn a_dropped_writer_never_looks_like_an_end() {
    let (writer, mut reader) = new(1 << 20);
    let waiting = tokio::spawn(text(reader.clone()));
    tokio::task::yield_now().await;
    drop(writer);
    let abandoned = Some(TapeError::Abandoned);
    assert_eq!(waiting.await.unwrap(), (Vec::new(), abandoned));
    assert!(!reader.is_end());
    assert_eq!(frame(&mut reader).await.unwrap().unwrap_err(), TapeError::Abandoned);
    assert!(frame(&mut reader).await.is_none());

    let (mut writer, reader) = new(1 << 20);
    put(&mut writer, "half").unwrap();
    let task = tokio::spawn(async move {
        let _writer = writer;
        panic!("the fill's own bug");
    });
    assert!(task.await.is_err());
    assert_eq!(text(reader).await, (b"half".to_vec(), abandoned));
}

#[tokio::test(start_paused = true)]
async fn a_writer_stopped_in_its_wait_never_looks_like_an_end() {
    let (mut writer, reader) = new(room_for(1, 10));
    put_all(&mut writer, 2, 10);
    let task = tokio::spawn(async move { writer.write(chunk(10)).await });
    tokio::time::sleep(MS).await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    assert_eq!(text(reader).await, ([chunk(10), chunk(10)].concat(), Some(TapeError::Abandoned)));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_write_loses_its_own_chunk_only() {
    let (mut writer, reader) = new(room_for(1, 4));
    put(&mut writer, "one ").unwrap();
    put(&mut writer, "two ").unwrap();
    {
        let mut write = pin!(writer.write(Bytes::from_static(b"lost")));
        assert!(poll_once(write.as_mut()).is_pending());
    }
    writer.cut(TapeError::Cut(CutReason::Failed));
    let (text, error) = text(reader).await;
    assert_eq!(text, b"one two ");
    assert_eq!(error, Some(TapeError::Cut(CutReason::Failed)));
}

// Over the limit.

#[test]
fn the_chunk_that_crosses_the_limit_waits_for_nobody() {
    let (mut writer, anchor) = new(room_for(2, 10));
    put_all(&mut writer, 2, 10);
    assert!(!writer.overflowed());
    assert!(writer.whole().is_some());
    put_all(&mut writer, 1, 10);
    assert!(writer.overflowed(), "said before the anchor blocks");
    assert!(writer.whole().is_none());
    assert!(poll_once(pin!(writer.write(chunk(10)))).is_pending());
    drop(anchor);
    assert_eq!(put(&mut writer, chunk(10)), Err(NoReaders));
}

#[tokio::test(start_paused = true)]
async fn a_window_moves_with_the_slowest_reader() {
    let (mut writer, mut slow) = new(room_for(2, 10));
    let quick = tokio::spawn(text(slow.clone()));
    put_all(&mut writer, 3, 10);
    let write = tokio::spawn(async move { writer.write(chunk(10)).await.map(|()| writer) });
    tokio::time::sleep(MS).await;
    assert!(!write.is_finished());
    data(&mut slow).await;
    let writer = write.await.unwrap().unwrap();
    assert_eq!(writer.tape.reel().held(), room_for(3, 10));
    writer.finish();
    assert_eq!(text(slow).await.0.len(), 30);
    assert_eq!(quick.await.unwrap(), (chunk(10).repeat(4), None));
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_that_leaves_frees_the_writer() {
    let (mut writer, slow) = new(room_for(2, 10));
    let quick = tokio::spawn(text(slow.clone()));
    put_all(&mut writer, 3, 10);
    let write = tokio::spawn(async move { writer.write(chunk(10)).await.map(|()| writer) });
    tokio::time::sleep(MS).await;
    assert!(!write.is_finished());
    drop(slow);
    tokio::time::sleep(MS).await;
    write.await.unwrap().unwrap().finish();
    assert_eq!(quick.await.unwrap(), (chunk(10).repeat(4), None));
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_stands_still_is_cut_off_and_the_others_go_on() {
    let clock = SystemClock::default();
    let (mut writer, mut slow) = new(room_for(2, 10));
    let quick = tokio::spawn(text(slow.clone()));
    data_while(&mut writer, &mut slow).await;
    put_all(&mut writer, 2, 10);
    let begun = clock.now();
    writer.write(chunk(10)).await.unwrap();
    assert_eq!(clock.now().since(begun), IDLE + MS, "tokio rounds a timer up by up to 1 ms");
    assert_eq!(writer.readers(), 1);
    for _ in 0..20 {
        tokio::task::yield_now().await; // the quick one keeps up
        put_all(&mut writer, 1, 10);
    }
    writer.finish();

    let clone = slow.clone();
    assert!(!slow.is_end());
    assert_eq!(frame(&mut slow).await.unwrap().unwrap_err(), TapeError::TooSlow);
    assert!(frame(&mut slow).await.is_none());
    assert!(slow.is_end());
    assert_eq!(text(clone).await, (Vec::new(), Some(TapeError::TooSlow)));
    assert_eq!(quick.await.unwrap(), (chunk(10).repeat(24), None));
}

/// One chunk, read at once.
async fn data_while(writer: &mut TapeWriter, reader: &mut TapeReader) {
    put_all(writer, 1, 10);
    assert_eq!(data(reader).await, chunk(10));
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_moves_within_the_idle_time_is_waited_for() {
    let (mut writer, mut slow) = new(room_for(2, 10));
    let quick = tokio::spawn(text(slow.clone()));
    let reader = tokio::spawn(async move {
        let mut read = 0;
        while let Some(frame) = frame(&mut slow).await {
            read += frame.expect("never cut off").into_data().unwrap().len();
            tokio::time::sleep(IDLE - MS).await;
        }
        read
    });
    for _ in 0..20 {
        writer.write(chunk(10)).await.unwrap();
    }
    writer.finish();
    assert_eq!(reader.await.unwrap(), 200);
    assert_eq!(quick.await.unwrap(), (chunk(10).repeat(20), None));
}

#[tokio::test(start_paused = true)]
async fn all_who_stand_still_are_cut_off_after_one_wait() {
    let clock = SystemClock::default();
    let (mut writer, anchor) = new(room_for(8, 10));
    put_all(&mut writer, 9, 10);
    let mut still = Vec::new();
    for position in 0..8 {
        let mut reader = anchor.clone();
        for _ in 0..position {
            data(&mut reader).await;
        }
        still.push(reader);
    }
    drop(anchor);
    let mut mover = still[2].clone();
    let begun = clock.now();
    let write = tokio::spawn(async move { writer.write(chunk(10)).await.map(|()| writer) });
    tokio::time::sleep(MS).await;
    data(&mut mover).await; // moves during the wait, and keeps company to the one at 3
    let writer = write.await.unwrap().unwrap();
    assert!(clock.now().since(begun) <= IDLE + MS);
    assert_eq!(writer.readers(), 6, "those at 0 to 2 are gone, those before the mover not yet");
    drop(mover);

    let mut writer = writer;
    for _ in 0..3 {
        writer.write(chunk(10)).await.unwrap();
    }
    let cut = writer.write(chunk(10)).await;
    assert_eq!(cut, Err(NoReaders), "all of the rest went with the second wait");
    assert!(clock.now().since(begun) <= 2 * (IDLE + MS));
}

#[tokio::test(start_paused = true)]
async fn the_last_reader_that_leaves_ends_the_write() {
    let (mut writer, reader) = new(room_for(2, 10));
    put_all(&mut writer, 3, 10);
    let write = tokio::spawn(async move { writer.write(chunk(10)).await });
    tokio::time::sleep(MS).await;
    assert!(!write.is_finished());
    drop(reader);
    assert_eq!(write.await.unwrap(), Err(NoReaders));
}

#[test]
fn nobody_reads_what_would_cross_the_limit() {
    let (mut writer, reader) = new(room_for(2, 10));
    drop(reader);
    put_all(&mut writer, 2, 10);
    assert_eq!(put(&mut writer, chunk(10)), Err(NoReaders));
    assert!(writer.overflowed(), "the body is too large, read or not");
    assert!(writer.whole().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_chunk_larger_than_the_limit_goes_through() {
    let (mut writer, mut reader) = new(10);
    for _ in 0..3 {
        put(&mut writer, chunk(50_000)).unwrap();
        assert_eq!(data(&mut reader).await, chunk(50_000));
        writer.tape.reel().check();
    }
    writer.finish();
    assert!(reader.is_end());
}

#[test]
fn one_byte_chunks_cannot_outgrow_the_limit() {
    let limit = 65_000;
    let (mut writer, mut reader) = new(limit);
    let mut written = 0;
    while let Poll::Ready(result) = poll_once(pin!(writer.write(Bytes::from_static(b"x")))) {
        result.unwrap();
        written += 1;
        assert!(written <= 2_000, "unbounded");
    }
    assert_eq!(written, limit / (1 + CHUNK_OVERHEAD) + 1);
    for _ in 0..5_000 {
        assert!(poll_reader(&mut reader).is_ready());
        put(&mut writer, "x").unwrap();
        let reel = writer.tape.reel();
        assert!(reel.held() <= limit + 1 + CHUNK_OVERHEAD);
        reel.check();
    }
}

// What becomes of chunks and wakers.

/// A buffer, or a waker, that sees whether the tape's lock is free when it is dropped or woken.
struct Probe {
    text: [u8; 5000],
    tape: Weak<Tape>,
    touched: Arc<AtomicUsize>,
}

impl Probe {
    fn new(writer: &TapeWriter) -> (Self, Arc<AtomicUsize>) {
        let touched = Arc::new(AtomicUsize::new(0));
        let probe = Self {
            text: [7; 5000],
            tape: Arc::downgrade(&writer.tape),
            touched: Arc::clone(&touched),
        };
        (probe, touched)
    }

    fn touch(&self) {
        self.touched.fetch_add(1, SeqCst);
        if let Some(tape) = self.tape.upgrade() {
            assert!(tape.0.try_lock().is_ok(), "foreign code runs under the lock");
        }
    }
}

impl AsRef<[u8]> for Probe {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.touch();
    }
}

impl Wake for Probe {
    fn wake(self: Arc<Self>) {
        self.touch();
    }
}

fn probe(writer: &TapeWriter) -> (Bytes, Arc<AtomicUsize>) {
    let (probe, dropped) = Probe::new(writer);
    (Bytes::from_owner(probe), dropped)
}

fn probe_waker(writer: &TapeWriter) -> (Waker, Arc<AtomicUsize>) {
    let (probe, touched) = Probe::new(writer);
    (Waker::from(Arc::new(probe)), touched)
}

#[test]
fn under_the_limit_all_chunks_stay_and_after_the_end_the_passed_ones_go() {
    let (mut writer, mut slow) = new(1 << 20);
    let mut quick = slow.clone();
    let (first, first_dropped) = probe(&writer);
    let (second, second_dropped) = probe(&writer);
    put(&mut writer, first).unwrap();
    put(&mut writer, second).unwrap();
    for reader in [&mut quick, &mut slow] {
        assert!(poll_reader(reader).is_ready());
    }
    assert_eq!(first_dropped.load(SeqCst), 0, "the whole is still asked for");
    writer.finish();
    assert_eq!(first_dropped.load(SeqCst), 1);
    assert!(poll_reader(&mut quick).is_ready());
    assert_eq!(second_dropped.load(SeqCst), 0);
    assert!(poll_reader(&mut slow).is_ready());
    assert_eq!(second_dropped.load(SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn chunks_are_dropped_behind_the_lock() {
    let limit = room_for(2, 5000);
    // Passed by the last reader; left by it; cut off with it; written over the limit with all readers passed.
    for way in 0..4 {
        let (mut writer, mut slow) = new(limit);
        let mut quick = slow.clone();
        let (probe, dropped) = probe(&writer);
        put(&mut writer, probe).unwrap();
        assert!(poll_reader(&mut quick).is_ready());
        if way == 3 {
            assert!(poll_reader(&mut slow).is_ready());
        }
        put_all(&mut writer, 1, 5000);
        assert_eq!(dropped.load(SeqCst), 0);
        put_all(&mut writer, 1, 5000);
        match way {
            0 => assert!(poll_reader(&mut slow).is_ready()),
            1 => drop(slow),
            2 => writer.write(chunk(5000)).await.unwrap(),
            _ => {}
        }
        assert_eq!(dropped.load(SeqCst), 1, "{way}");
    }
}

#[test]
fn wakers_are_woken_and_dropped_behind_the_lock() {
    let (mut writer, mut reader) = new(room_for(1, 1));
    let (waker, touched) = probe_waker(&writer);
    let mut wait = |reader: &mut TapeReader, waker: &Waker| {
        assert!(reader.poll_frame(&mut Context::from_waker(waker)).is_pending());
    };
    wait(&mut reader, &waker);
    put(&mut writer, "x").unwrap();
    assert_eq!(touched.load(SeqCst), 1, "woken by a chunk");
    assert!(poll_reader(&mut reader).is_ready());

    wait(&mut reader, &waker);
    drop(waker);
    assert_eq!(touched.load(SeqCst), 1);
    let (other, _touched) = probe_waker(&writer);
    wait(&mut reader, &other);
    assert_eq!(touched.load(SeqCst), 2, "replaced");

    let (waker, touched) = probe_waker(&writer);
    put_all(&mut writer, 2, 1);
    {
        let mut write = pin!(writer.write(chunk(1)));
        assert!(write.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        assert!(write.as_mut().poll(&mut Context::from_waker(&other)).is_pending());
        assert!(write.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        assert!(poll_reader(&mut reader).is_ready());
        assert_eq!(touched.load(SeqCst), 1, "the reader wakes the writer");
        assert!(write.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
    }
    while poll_reader(&mut reader).is_ready() {}
    wait(&mut reader, &waker);
    writer.finish();
    assert_eq!(touched.load(SeqCst), 2, "the end wakes the reader");
}

/// Only the first and the last of several idle polls may touch a waker's count.
#[test]
fn a_reader_keeps_one_waker_and_takes_it_along() {
    struct Nothing;
    impl Wake for Nothing {
        fn wake(self: Arc<Self>) {}
    }
    let (_writer, mut reader) = new(100);
    let counted = Arc::new(Nothing);
    let waker = Waker::from(Arc::clone(&counted));
    for _ in 0..3 {
        assert!(reader.poll_frame(&mut Context::from_waker(&waker)).is_pending());
        assert_eq!(Arc::strong_count(&counted), 3, "ours, the waker's, the tape's");
    }
    let other = reader.clone();
    assert_eq!(Arc::strong_count(&counted), 3, "a clone waits for itself");
    drop(other);
    assert_eq!(Arc::strong_count(&counted), 3);
    drop(reader);
    assert_eq!(Arc::strong_count(&counted), 2);
}

#[test]
fn a_seat_of_an_earlier_round_is_void() {
    let (mut writer, mut woken) = new(1 << 20);
    let mut waiting = woken.clone();
    assert!(poll_reader(&mut woken).is_pending());
    put(&mut writer, "x").unwrap();
    assert!(poll_reader(&mut waiting).is_ready());
    assert!(poll_reader(&mut waiting).is_pending()); // the same place in the slab
    drop(woken);
    assert_eq!(writer.tape.reel().parked.len(), 1, "nobody else's waker was dropped");
}

// Many.

#[tokio::test(start_paused = true)]
async fn ten_thousand_readers_on_one_tape() {
    let (mut writer, anchor) = new(room_for(4, 10));
    let readers: Vec<_> = (0..10_000).map(|_| tokio::spawn(text(anchor.clone()))).collect();
    drop(anchor);
    for _ in 0..20 {
        tokio::task::yield_now().await;
        writer.write(chunk(10)).await.unwrap();
    }
    assert_eq!(writer.readers(), 10_000);
    writer.finish();
    for reader in readers {
        assert_eq!(reader.await.unwrap(), (chunk(10).repeat(20), None));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_readers_on_four_threads_count_every_byte() {
    const CHUNKS: usize = 2_000;
    // Everything is kept; a window of many chunks; a window of hardly one.
    for limit in [usize::MAX, room_for(50, 1000), 1] {
        let (mut writer, anchor) = new(limit);
        let readers: Vec<_> = (0..100)
            .map(|n| tokio::spawn(count(anchor.clone(), (n % 10 == 0).then_some(n * 100))))
            .collect();
        drop(anchor);
        for n in 0..CHUNKS {
            writer.write(chunk(n % 1000 + 1)).await.expect("most readers stay");
            writer.tape.reel().check();
        }
        writer.finish();
        let whole = (0..CHUNKS).map(|n| n % 1000 + 1).sum::<usize>();
        for (n, reader) in readers.into_iter().enumerate() {
            if n % 10 != 0 {
                assert_eq!(reader.await.expect("no error"), whole);
            }
        }
    }
}

/// Counts the bytes; leaves after some frames where told to, which splits into a clone that reads on for a while.
async fn count(mut reader: TapeReader, leave_after: Option<usize>) -> usize {
    let (mut bytes, mut frames) = (0, 0);
    while let Some(next) = frame(&mut reader).await {
        bytes += next.expect("nobody is slow here").into_data().unwrap().len();
        frames += 1;
        if leave_after == Some(frames) {
            reader = reader.clone();
        }
        if leave_after.is_some_and(|after| frames > after) {
            break;
        }
    }
    bytes
}

// Any order of events, woken only where the tape wakes.

/// Time passes by `fire` alone, for all waits that have begun.
#[derive(Debug, Default)]
struct HandClock(Arc<AtomicU64>);

impl Clock for HandClock {
    fn now(&self) -> Moment {
        Moment::ORIGIN
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }

    fn sleep(&self, _: Duration) -> Sleep {
        let fired = Arc::clone(&self.0);
        let begun = fired.load(SeqCst);
        Box::pin(poll_fn(move |_| {
            if fired.load(SeqCst) > begun { Poll::Ready(()) } else { Poll::Pending }
        }))
    }
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

struct Client {
    reader: TapeReader,
    text: Vec<u8>,
    end: Option<Option<TapeError>>,
    /// Set where it may be polled.
    woken: Arc<Flag>,
}

impl Client {
    fn new(reader: TapeReader, text: Vec<u8>, end: Option<Option<TapeError>>) -> Self {
        let woken = Arc::new(Flag(AtomicBool::new(true)));
        Self { reader, text, end, woken }
    }

    /// Reads one frame, unless it waits for a wake.
    fn step(&mut self) -> bool {
        if self.end.is_some() || !self.woken.0.swap(false, SeqCst) {
            return false;
        }
        let waker = Waker::from(Arc::clone(&self.woken));
        let Poll::Ready(frame) = self.reader.poll_frame(&mut Context::from_waker(&waker)) else {
            return false;
        };
        self.woken.0.store(true, SeqCst);
        match frame {
            Some(Ok(frame)) => self.text.extend_from_slice(frame.data_ref().unwrap()),
            Some(Err(error)) => self.end = Some(Some(error)),
            None => self.end = Some(None),
        }
        true
    }
}

type Write = Pin<Box<dyn Future<Output = (TapeWriter, Result<(), NoReaders>)>>>;

struct House {
    fired: Arc<AtomicU64>,
    tape: Arc<Tape>,
    writer: Option<TapeWriter>,
    write: Option<(Write, Bytes)>,
    woken: Arc<Flag>,
    written: Vec<u8>,
    clients: Vec<Client>,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Write(usize),
    Read(usize),
    Clone(usize),
    Leave(usize),
    Idle,
}

impl House {
    fn new(limit: usize) -> Self {
        let clock = HandClock::default();
        let fired = Arc::clone(&clock.0);
        let (writer, reader) = tape(limit, Arc::new(clock), IDLE);
        Self {
            fired,
            tape: Arc::clone(&writer.tape),
            writer: Some(writer),
            write: None,
            woken: Arc::default(),
            written: Vec::new(),
            clients: vec![Client::new(reader, Vec::new(), None)],
        }
    }

    fn step(&mut self, step: Step) {
        let client = |n: usize| n % self.clients.len().max(1);
        match step {
            Step::Write(len) => self.begin(len),
            Step::Idle => self.idle(),
            _ if self.clients.is_empty() => {}
            Step::Read(n) => {
                let n = client(n);
                self.clients[n].step();
            }
            Step::Clone(n) => {
                let client = &self.clients[client(n)];
                let (text, end) = (client.text.clone(), client.end);
                self.clients.push(Client::new(client.reader.clone(), text, end));
            }
            Step::Leave(n) => drop(self.clients.swap_remove(client(n))),
        }
        self.poll_write();
        self.tape.reel().check();
    }

    fn begin(&mut self, len: usize) {
        let Some(mut writer) = self.writer.take() else {
            return; // waits, or has no readers
        };
        let at = self.written.len();
        let chunk: Bytes = (at..at + len).map(|i| (i % 251) as u8).collect();
        let copy = chunk.clone();
        let write = async move {
            let result = writer.write(copy).await;
            (writer, result)
        };
        self.write = Some((Box::pin(write), chunk));
        self.woken.0.store(true, SeqCst);
    }

    fn idle(&mut self) {
        self.fired.fetch_add(1, SeqCst);
        self.woken.0.store(true, SeqCst); // as the timer does
    }

    fn poll_write(&mut self) {
        let Some((write, chunk)) = &mut self.write else {
            return;
        };
        if !self.woken.0.swap(false, SeqCst) {
            return;
        }
        let waker = Waker::from(Arc::clone(&self.woken));
        let Poll::Ready((writer, result)) = write.as_mut().poll(&mut Context::from_waker(&waker))
        else {
            return;
        };
        match result {
            Ok(()) => {
                self.written.extend_from_slice(chunk);
                self.writer = Some(writer);
            }
            Err(NoReaders) => assert_eq!(writer.readers(), 0),
        }
        self.write = None;
    }

    /// Everybody goes on until nothing moves any more, then the body ends.
    fn finish(&mut self) {
        loop {
            let moved = self.clients.iter_mut().fold(false, |moved, client| client.step() | moved);
            self.poll_write();
            if !moved && self.write.is_none() {
                break;
            }
            assert!(moved || self.woken.0.load(SeqCst), "the writer waits for nobody");
        }
        if let Some(writer) = self.writer.take() {
            writer.finish();
        }
        for client in &mut self.clients {
            while client.step() {}
        }
        self.tape.reel().check();
    }
}

fn steps(write: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => write.prop_map(Step::Write),
        6 => (0..100_usize).prop_map(Step::Read),
        1 => (0..100_usize).prop_map(Step::Clone),
        1 => (0..100_usize).prop_map(Step::Leave),
        1 => Just(Step::Idle),
    ];
    vec(step, 0..200)
}

proptest! {
    #[test]
    fn under_the_limit_every_reader_reads_the_whole(steps in steps(0..6000)) {
        let mut house = House::new(usize::MAX);
        for step in steps {
            house.step(step);
            prop_assert!(house.write.is_none(), "a write waits");
        }
        prop_assert_eq!(house.writer.as_ref().unwrap().whole().unwrap(), house.written.clone());
        house.finish();
        for client in &house.clients {
            prop_assert_eq!(client.end, Some(None));
            prop_assert_eq!(&client.text, &house.written);
        }
    }

    #[test]
    fn over_the_limit_every_reader_reads_the_whole_or_a_part_and_an_error(
        steps in steps(1..300),
        limit in 0..2000_usize,
    ) {
        let mut house = House::new(limit);
        let idle = steps.iter().any(|step| matches!(step, Step::Idle));
        for step in steps {
            house.step(step);
        }
        house.finish();
        for client in &house.clients {
            match client.end {
                Some(None) => prop_assert_eq!(&client.text, &house.written),
                Some(Some(error)) => {
                    prop_assert_eq!(error, TapeError::TooSlow);
                    prop_assert!(idle, "cut off without a wait");
                    prop_assert!(house.written.starts_with(&client.text));
                }
                None => prop_assert!(false, "never woken"),
            }
        }
    }
}

#[test]
fn errors_say_what_to_do() {
    for error in [
        TapeError::Cut(CutReason::Failed),
        TapeError::Cut(CutReason::Stalled),
        TapeError::Cut(CutReason::Short),
        TapeError::Cut(CutReason::Long),
        TapeError::TooSlow,
        TapeError::Abandoned,
    ] {
        let text = error.to_string();
        assert!(text.contains(':') && !text.contains("  "), "{text}");
    }
    assert!(NoReaders.to_string().contains("cancel"));
}
