//! The bytes of a job, as a worker takes them from a queue that others can write to: whatever is there is a request for
//! which the handler is called, without any secret, or nothing; and it is given back either way.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tower_swr_core::RemoteJob;
use tower_swr_fuzz::{job_of, left, work_off};

static SOUND: LazyLock<RemoteJob> = LazyLock::new(left);

fuzz_target!(|data: &[u8]| {
    let done = work_off(job_of(data));
    let met = done.found + done.late + done.refused + done.unmet;
    assert_eq!(met + done.unreadable, 1, "{done:?}");

    // No digest of a key is guessed: what lies behind it is reached by damaging a sound one, three bytes of input to a place.
    let mut payload = SOUND.payload.to_vec();
    let length = payload.len();
    for change in data.chunks_exact(3) {
        let place = usize::from(u16::from_le_bytes([change[0], change[1]])) % length;
        payload[place] ^= change[2];
    }
    let is_sound = payload == SOUND.payload;
    let done = work_off(RemoteJob {
        payload: payload.into(),
        ..SOUND.clone()
    });
    let met = done.renewed + done.found + done.late + done.refused + done.unmet;
    assert_eq!(met + done.unreadable, 1, "{done:?}");
    assert!(!is_sound || done.renewed == 1, "{done:?}");
});
