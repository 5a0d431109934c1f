//! How often a hit asks for memory.

use axum::body::Body;
use axum::http::Request;
use tower::Service;

use crate::allocations;
use crate::support::message::{sent, usual_request};
use crate::support::report::Report;
use crate::support::rows::answer_at_once;
use crate::support::warm::{Services, uncached};

const HITS: usize = 1000;

pub(crate) fn run(report: &mut Report) {
    let services = Services::new();
    println!("{:<22} {:>14} {:>14}", "", "call and drop", "with request");
    count("bare, all fields", services.all.bare());
    count("quick_cache sync", services.all.looked_up());
    count("uncached, axum", uncached());
    count("ours, in axum", services.all.in_axum());
    count("ours, two fields", services.two.ours());
    let all = count("ours, all fields", services.all.ours());
    let vary = count("ours, with Vary", services.vary.ours());
    count("ours, 64 KiB", services.large.ours());
    for (what, count) in [("all fields", all), ("with Vary", vary)] {
        let what = format!("hit 1 KiB, {what}: allocations, the request's included");
        report.at_most(what, count, 4.0, "");
    }
}

/// The allocations per hit, the request's included; prints them with and without.
fn count<S>(name: &str, mut service: S) -> f64
where
    S: Service<Request<Body>, Error = std::convert::Infallible>,
{
    let (mut alone, mut made) = (0, 0);
    for _ in 0..HITS {
        let start = allocations();
        let request = sent(usual_request());
        let asked = allocations();
        drop(answer_at_once(&mut service, request));
        made += asked - start;
        alone += allocations() - asked;
    }
    let per_hit = |count: usize| count as f64 / HITS as f64;
    let both = per_hit(alone + made);
    println!("{name:<22} {:>14.2} {both:>14.2}", per_hit(alone));
    both
}
