//! Any order of events, where everybody is polled only after a wake.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::Wake;

use proptest::collection::vec;
use proptest::prelude::*;
use tower_swr_core::testing::ManualClock;

use super::*;

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
        Self {
            reader,
            text,
            end,
            woken,
        }
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
    clock: ManualClock,
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
        let clock = ManualClock::default();
        let (writer, reader) = tape(limit, Arc::new(clock.clone()), IDLE);
        Self {
            clock,
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
            Step::Idle => self.clock.advance(IDLE),
            _ if self.clients.is_empty() => {}
            Step::Read(n) => {
                let n = client(n);
                self.clients[n].step();
            }
            Step::Clone(n) => {
                let client = &self.clients[client(n)];
                let (text, end) = (client.text.clone(), client.end);
                self.clients
                    .push(Client::new(client.reader.clone(), text, end));
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
            let moved = self
                .clients
                .iter_mut()
                .fold(false, |moved, client| client.step() | moved);
            self.poll_write();
            if !moved && self.write.is_none() {
                break;
            }
            assert!(
                moved || self.woken.0.load(SeqCst),
                "the writer waits for nobody"
            );
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
