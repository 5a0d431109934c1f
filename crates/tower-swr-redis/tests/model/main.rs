//! The lease and the near stores that several nodes keep, as a model in which every order of events is tried: one key, a
//! server, an origin whose value changes, purges, and nodes that ask, lead, wait, crash and lose their connection to the
//! log.
//!
//! Steps that the server does are called what they are called in `src/script.rs`, and so are their parts in [`server`]. What
//! a node does between them is in [`node`]. A state space is bounded by how often each thing may happen ([`Bounds`]), not by
//! chance: within its bounds a model that runs to its end has seen everything.
//!
//! `MODEL_DEPTH=16` adds a run with wider bounds, down to that many steps.

mod node;
mod server;
mod state;
mod steps;

use stateright::{Checker, HasDiscoveries, Model, Property};

use crate::state::{Bounds, State};
use crate::steps::Step;

/// What is left out of the protocol, to show that it is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Without {
    Nothing,
    /// COMMIT does not compare the token: a plain SET.
    Fence,
    /// PURGE leaves the lease.
    PurgeOfTheLease,
    /// PURGE comes after the entry in the log that tells of it.
    PurgeBeforeTheLog,
    /// What a node fetched goes into its near store whatever was invalidated meanwhile.
    FillGuard,
    /// A node that was away reads on where the log is now.
    Replay,
    /// A node that comes back to a log that has been trimmed keeps what it has.
    Clearing,
    /// Who waits relies on the message.
    Poll,
    /// A lease never runs out.
    Expiry,
}

#[derive(Clone, Debug)]
struct Protocol {
    bounds: Bounds,
    without: Without,
}

const FAR_IS_PURGED: &str = "the far store holds nothing from before a purge";
const NEAR_IS_PURGED: &str = "a node serves nothing from before a purge that it has heard of";
const ONE_HOLDER: &str = "one node at most holds a valid token";
const NEVER_BACK: &str = "nothing is replaced by something older";
const ANSWERED: &str = "whoever asks is answered";
const NOT_STUCK: &str = "nobody waits when nothing more can happen";

impl Model for Protocol {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![State::first(&self.bounds)]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        steps::possible(self.without, state, steps);
    }

    fn next_state(&self, last: &State, step: Step) -> Option<State> {
        let mut state = last.clone();
        steps::take(self.without, &mut state, step);
        // Nodes have no names: two states that differ in their order alone are one.
        state.nodes.sort();
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(FAR_IS_PURGED, |_, state: &State| state.server.is_purged()),
            Property::always(NEAR_IS_PURGED, |_, state: &State| state.near_is_purged()),
            Property::always(ONE_HOLDER, |_, state: &State| state.holders() <= 1),
            Property::always(NEVER_BACK, |_, state: &State| !state.server.went_back),
            Property::eventually(ANSWERED, |_, state: &State| state.all_answered()),
            Property::always(NOT_STUCK, |model: &Self, state: &State| {
                !state.somebody_waits() || model.goes_on(state)
            }),
            Property::sometimes("a late commit is refused", |_, state: &State| {
                state.is_late()
            }),
            Property::sometimes("two nodes hold a near value", |_, state: &State| {
                state
                    .nodes
                    .iter()
                    .filter(|node| node.near.is_some())
                    .count()
                    >= 2
            }),
        ]
    }
}

impl Protocol {
    fn goes_on(&self, state: &State) -> bool {
        let mut steps = Vec::new();
        self.actions(state, &mut steps);
        (steps.into_iter()).any(|step| self.next_state(state, step).is_some())
    }
}

/// Looks at every state, and tells how many there are.
fn explore(bounds: Bounds, depth: Option<usize>) {
    let protocol = Protocol {
        bounds,
        without: Without::Nothing,
    };
    let mut checker = protocol.checker();
    if let Some(depth) = depth {
        checker = checker.target_max_depth(depth);
    }
    let checker = checker.spawn_bfs().join();
    println!(
        "{} states, {} different, {} steps deep",
        checker.state_count(),
        checker.unique_state_count(),
        checker.max_depth(),
    );
    checker.assert_properties();
}

/// Finds how `property` is violated `without` a part of the protocol.
fn finds(bounds: Bounds, without: Without, property: &'static str) {
    let protocol = Protocol { bounds, without };
    let wanted = HasDiscoveries::AllOf([property].into());
    let checker = protocol.checker().finish_when(wanted).spawn_bfs().join();
    let path = checker.assert_any_discovery(property);
    println!(
        "without {without:?}: after {} states, in {} steps: {:?}",
        checker.unique_state_count(),
        path.clone().into_actions().len(),
        path.into_actions(),
    );
}

#[test]
fn two_nodes_keep_every_promise() {
    explore(Bounds::OF_TWO, None);
}

#[test]
fn three_nodes_keep_every_promise() {
    explore(Bounds::OF_THREE, None);
}

#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "how deep it goes is for whoever runs it to say"
)]
fn deeper_if_asked_to() {
    let Ok(depth) = std::env::var("MODEL_DEPTH") else {
        return;
    };
    let depth = depth.parse().expect("MODEL_DEPTH is a number of steps");
    explore(Bounds::DEEP, Some(depth));
}

#[test]
fn a_plain_set_revives_what_was_purged() {
    finds(Bounds::OF_TWO, Without::Fence, FAR_IS_PURGED);
}

#[test]
fn a_plain_set_replaces_what_is_newer() {
    finds(Bounds::OF_TWO, Without::Fence, NEVER_BACK);
}

#[test]
fn a_purge_that_leaves_the_lease_lets_a_late_writer_in() {
    finds(Bounds::OF_TWO, Without::PurgeOfTheLease, FAR_IS_PURGED);
}

#[test]
fn a_log_that_tells_too_early_lets_the_old_value_in_again() {
    finds(Bounds::OF_TWO, Without::PurgeBeforeTheLog, NEAR_IS_PURGED);
}

#[test]
fn without_the_fill_guard_a_slow_answer_comes_in_behind_the_purge() {
    finds(Bounds::OF_TWO, Without::FillGuard, NEAR_IS_PURGED);
}

#[test]
fn without_a_replay_a_gap_keeps_what_was_purged() {
    finds(Bounds::OF_TWO, Without::Replay, NEAR_IS_PURGED);
}

#[test]
fn without_clearing_a_trimmed_gap_keeps_what_was_purged() {
    finds(Bounds::OF_TWO, Without::Clearing, NEAR_IS_PURGED);
}

#[test]
fn without_a_poll_a_lost_message_is_waited_for() {
    finds(Bounds::OF_TWO, Without::Poll, NOT_STUCK);
    finds(Bounds::OF_TWO, Without::Poll, ANSWERED);
}

#[test]
fn a_lease_that_never_runs_out_is_waited_for() {
    finds(Bounds::OF_TWO, Without::Expiry, NOT_STUCK);
}
