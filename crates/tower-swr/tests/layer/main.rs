//! The layer, in process and by its public face. One program for all tests, since each would be linked anew.

mod adversarial;
mod among_tower;
mod among_tower_http;
mod basics;
mod conditions;
mod control;
mod cookies;
mod failure;
mod fields;
mod gate;
mod house;
mod key;
mod lifetimes;
mod limits;
mod on_axum;
mod on_hyper;
mod proxy;
mod request;
mod revalidation;
mod settings;
mod spans;
mod stats;
mod stream;
mod uncacheable;
mod vary;
mod warnings;
