//! The bytes of a far value: whatever is there is a value of ours or none, and what is read is written again as it was.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tower_swr_core::wire::{Frame, MAX_BYTES};
use tower_swr_core::{FarKey, KeyText, Lifetime, Version};

fuzz_target!(|data: &[u8]| {
    let key = FarKey::new(KeyText::new("s").key());
    let _ = Frame::decode(&Bytes::copy_from_slice(data), &key);

    // No checksum is guessed: what lies behind it is reached by writing.
    let (head, body) = data.split_at(data.len() / 3);
    let mut frame = Frame::new(Version::of_token(data), Lifetime::FOREVER);
    frame.head = Bytes::copy_from_slice(head);
    frame.body = Bytes::copy_from_slice(body);
    let blob = frame.encode(&key, MAX_BYTES).expect("it is small");
    let read = Frame::decode(&blob, &key).expect("it is sound");
    assert_eq!((read.head, read.body), (frame.head, frame.body));

    // One byte that is another is found out.
    let mut damaged = blob.to_vec();
    let place = data.len() % damaged.len();
    damaged[place] ^= 1 + data.first().copied().unwrap_or_default() % 255;
    assert!(Frame::decode(&Bytes::from(damaged), &key).is_err());
});
