use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::oneshot;
use tower_swr_core::{
    Answer, Ending, Fate, Fetched, FlightPolicy, Joined, Keep, Landed, Outcome, Product, Purpose,
    Rest, Tags, Waiting,
};

use super::{House, Part, Parts, Told, key, minute};

/// A house whose answers may stream.
pub type Streaming = House<Part>;

/// A stream under way: the test says how it ends.
pub struct Stream {
    pub house: Streaming,
    pub parts: Parts,
    pub told: Told,
    pub end: oneshot::Sender<Ending<u32>>,
}

pub fn streaming_house() -> Streaming {
    House::under(FlightPolicy::default(), [])
}

pub fn product(value: u32) -> Product<u32> {
    Product {
        value,
        keep: Keep::Store(minute()),
        key: None,
        initial_age: Duration::ZERO,
        weight: size_of::<u32>(),
        tags: Tags::default(),
    }
}

impl Stream {
    /// A stream for `a` in `house` whose head has arrived.
    pub fn begin(house: &Streaming, keep: Keep) -> Self {
        let fill = match house.join(&key("a"), Purpose::Refresh) {
            Joined::Lead(fill) => fill,
            _ => panic!("somebody flies, or something fresh is kept"),
        };
        let (parts, (end, ended)) = (Parts::default(), oneshot::channel());
        let rest: Rest<u32> = Box::pin(async { ended.await.expect("a test says how it ends") });
        fill.spawn(std::future::ready(Fetched::Stream {
            partial: parts.part(1),
            keep,
            key: None,
            tags: Tags::default(),
            beside: None,
            rest,
        }));
        house.tasks.poll_all();
        Self {
            house: house.clone(),
            parts,
            told: Told::default(),
            end,
        }
    }

    pub fn stored() -> Self {
        Self::begin(&streaming_house(), Keep::Store(minute()))
    }

    /// Notes what its readers find once they are told: what is kept, and whether they can join.
    pub fn tell(&self) -> Box<dyn FnOnce() + Send> {
        let (told, house) = (self.told.clone(), self.house.clone());
        Box::new(move || told.tell(format!("{:?} {}", house.kept(&key("a")), is_open(&house))))
    }

    pub fn end(self, ending: Ending<u32>) -> (Streaming, Parts, Vec<String>) {
        self.end.send(ending).expect("the stream is under way");
        self.house.tasks.poll_all();
        (self.house, self.parts, self.told.all())
    }

    pub fn complete(self, product: Option<Product<u32>>) -> (Streaming, Parts, Vec<String>) {
        let tell = self.tell();
        self.end(Ending::Complete { product, tell })
    }

    pub fn cut(self) -> (Streaming, Parts, Vec<String>) {
        let tell = self.tell();
        self.end(Ending::Cut(tell))
    }
}

/// Whether a newcomer can join the flight of `a`.
pub fn is_open(house: &Streaming) -> bool {
    let attending = house.cache.attend(&key("a").borrowed(), &house.policy);
    attending.is_some()
}

pub fn partial(outcome: Option<Outcome<u32, Part>>) -> Option<(Part, Fate)> {
    match outcome? {
        Outcome::Landed(Landed {
            answer: Answer::Partial(part),
            fate,
            ..
        }) => Some((part, fate)),
        _ => None,
    }
}

pub fn partial_now(waiting: Waiting<u32, Part>) -> Option<(u32, Fate)> {
    partial(waiting.now_or_never()).map(|(part, fate)| (part.number, fate))
}
