//! What the example prints is what it promises.

use std::process::Command;

const PROMISED: &str = "\
Nothing is kept yet: one of the crowd makes the query, the others wait for its row.
  Row 70000 holds the prime 882389.
  1000 answers, 1 query, stampede violations 0
The row is kept now.
  Row 70000 holds the prime 882389.
  1000 answers, 0 queries, stampede violations 0
Somebody has changed it and says so: what is kept does not count any more.
  Row 70000 holds the prime 882389.
  1000 answers, 1 query, stampede violations 0
Of a row that is not there all learn from one query. An error is not kept.
  the origin failed: there is no row 80000
  0 answers, 1000 errors, 1 query, stampede violations 0
";

#[test]
fn a_crowd_costs_one_query() {
    let example = Command::new(env!("CARGO_BIN_EXE_plain-values")).output();
    let example = example.expect("the example can be run");
    let complaint = String::from_utf8_lossy(&example.stderr);
    assert!(example.status.success(), "{}: {complaint}", example.status);
    assert_eq!(String::from_utf8_lossy(&example.stdout), PROMISED);
}
