//! Several processes with one far side: for a key, one of them calls the origin, and what one invalidates no other serves.

mod ends;
mod invalidations;
mod kinds;
mod lost_leaders;
mod one_call;
mod suspect;
mod trouble;

use crate::support::{House, Number, World, key, minute};
use futures_util::FutureExt;
use std::sync::Arc;
use tower_swr_core::testing::FarNode;
use tower_swr_core::wire::Frame;
use tower_swr_core::{FarKey, FarStore, Fill, Key, NoPartial};

type Plain = House<NoPartial>;

fn settle<P: Clone + Send + Sync + 'static>(houses: &[&House<P>]) {
    for _ in 0..4 {
        for house in houses {
            house.tasks.poll_all();
        }
    }
}

/// Both have asked for `a`, the first makes 1 of it in a minute's time, and both have it.
fn both_hold(world: &World) -> [Plain; 2] {
    let [one, other] = world.houses();
    let a = key("a");
    assert_eq!(one.answer(&a, one.origin.makes(1, minute())), 1);
    assert_eq!(other.answer(&a, other.origin.makes(2, minute())), 1);
    assert_eq!((one.origin.calls(), other.origin.calls()), (1, 0));
    [one, other]
}

fn far_value(node: &FarNode, name: &str) -> Option<Frame> {
    let far = FarKey::new(key(name).borrowed());
    let found = node.get(&far).now_or_never().expect("at once");
    let blob = found.expect("an answer")?.blob;
    Some(Frame::decode(&blob, &far).expect("it is sound"))
}

fn through<P: Clone + Send + Sync + 'static>(fill: Fill<u32, P>) -> Fill<u32, P> {
    fill.through(&(Arc::new(Number) as Arc<_>))
}

fn lead<P: Clone + Send + Sync + 'static>(house: &House<P>, key: &Key) -> Fill<u32, P> {
    through(house.lead(key))
}
