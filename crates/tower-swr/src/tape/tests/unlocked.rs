//! What becomes of chunks and wakers, and that it does so behind the lock.

use std::sync::Weak;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::Wake;

use super::*;

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
            assert!(
                tape.0.try_lock().is_ok(),
                "foreign code runs under the lock"
            );
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
    assert_eq!(
        first_dropped.load(SeqCst),
        0,
        "the whole is still asked for"
    );
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
            2 => assert_eq!(writer.write(chunk(5000)).await, Err(NoReaders)),
            _ => {}
        }
        assert_eq!(dropped.load(SeqCst), 1, "{way}");
    }
}

fn wait(reader: &mut TapeReader, waker: &Waker) {
    let frame = reader.poll_frame(&mut Context::from_waker(waker));
    assert!(frame.is_pending());
}

#[test]
fn readers_are_woken_and_their_wakers_dropped_behind_the_lock() {
    let (mut writer, mut reader) = new(1 << 20);
    let (waker, touched) = probe_waker(&writer);
    wait(&mut reader, &waker);
    put(&mut writer, "x").unwrap();
    assert_eq!(touched.load(SeqCst), 1, "woken by a chunk");
    assert!(poll_reader(&mut reader).is_ready());

    wait(&mut reader, &waker);
    drop(waker);
    assert_eq!(touched.load(SeqCst), 1);
    let (waker, touched_next) = probe_waker(&writer);
    wait(&mut reader, &waker);
    assert_eq!(touched.load(SeqCst), 2, "replaced, and so dropped");

    writer.finish();
    assert_eq!(touched_next.load(SeqCst), 1, "woken by the end");
}

#[test]
fn the_writer_is_woken_and_its_wakers_dropped_behind_the_lock() {
    let (mut writer, mut reader) = timeless(room_for(1, 1));
    let (waker, touched) = probe_waker(&writer);
    let (next, touched_next) = probe_waker(&writer);
    put_all(&mut writer, 2, 1);
    let mut write = Box::pin(writer.write(chunk(1)));
    let mut poll = |waker: &Waker| write.as_mut().poll(&mut Context::from_waker(waker));

    assert!(poll(&waker).is_pending());
    assert_eq!(touched.load(SeqCst), 0);
    drop(waker);
    assert!(poll(Waker::noop()).is_pending());
    assert_eq!(touched.load(SeqCst), 1, "replaced, and so dropped");
    assert!(poll(&next).is_pending());
    assert!(poll_reader(&mut reader).is_ready());
    assert_eq!(touched_next.load(SeqCst), 1, "woken by the slowest reader");
    assert!(poll(&next).is_ready());
}

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
        assert!(
            reader
                .poll_frame(&mut Context::from_waker(&waker))
                .is_pending()
        );
        assert_eq!(
            Arc::strong_count(&counted),
            3,
            "ours, the waker's, the tape's"
        );
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
    assert_eq!(
        writer.tape.reel().parked.len(),
        1,
        "nobody else's waker was dropped"
    );
}
