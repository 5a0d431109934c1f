use proptest::prelude::*;

use super::*;
use crate::key::KeyText;

fn key(parts: &[u8]) -> FarKey {
    let mut text = KeyText::new("s");
    text.push(parts);
    FarKey::new(text.key())
}

fn golden() -> Frame {
    let lifetime = Lifetime::fresh_for(Duration::from_millis(60_000))
        .stale_while_revalidate(Duration::from_millis(120_000))
        .stale_if_error(Duration::MAX);
    let mut frame = Frame::new(Version::from_bytes(*b"version!"), lifetime);
    frame.kind = 0x0201;
    frame.stored_at = ServerTime::from_millis(0x1122_3344);
    frame.age_at_store = Duration::from_millis(7);
    frame.cost = Duration::from_millis(250);
    frame.born = LogPosition {
        major: 0xAABB,
        minor: 3,
    };
    frame.head = Bytes::from_static(b"head");
    frame.tags = vec![Digest::from_bytes(*b"0123456789abcdef")];
    frame.body = Bytes::from_static(b"body");
    frame
}

/// A change of these bytes is a change of the format: give it a new number, and the keys a new generation.
#[test]
fn the_format_is_what_it_was() {
    let key = key(b"/a");
    let blob = golden().encode(&key, MAX_BYTES).unwrap();
    let crc = &blob[16..20];
    let expected = [
        b"HC\x01\x00\x01\x02\x01\x00version!",
        crc,
        b"\x7f\0\0\0",
        b"\x44\x33\x22\x11\0\0\0\0",
        b"\x07\0\0\0\0\0\0\0",
        b"\x60\xea\0\0\0\0\0\0",
        b"\xc0\xd4\x01\0\0\0\0\0",
        b"\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xfa\0\0\0\0\0\0\0",
        b"\xbb\xaa\0\0\0\0\0\0\x03\0\0\0\0\0\0\0",
        b"\x0b\0\0\0\x04\0\0\0",
        b"\x01\0\0\0s\x02\0\0\0/a",
        b"head",
        b"0123456789abcdef",
        b"body",
    ];
    assert_eq!(blob, expected.concat());
    assert_eq!(crc, [227, 34, 37, 250], "as any CRC-32 of the rest says");
    assert_eq!(Frame::decode(&blob, &key), Ok(golden()));
    assert_eq!(Version::read_from(&blob), Some(golden().version));
}

#[test]
fn every_reason_has_its_name() {
    let key = key(b"/a");
    let blob = golden().encode(&key, MAX_BYTES).unwrap();
    let with = |place: usize, byte: u8| {
        let mut changed = BytesMut::from(&blob[..]);
        changed[place] = byte;
        changed
    };
    let sealed = |mut blob: BytesMut| {
        header::seal(&mut blob);
        blob
    };
    let cases = [
        (with(0, b'X'), NotOurs::Foreign),
        (blob[..95].into(), NotOurs::Foreign),
        (with(2, 2), NotOurs::OtherFormat),
        (sealed(with(3, 0x80)), NotOurs::OtherFormat),
        (with(126, 0), NotOurs::Damaged),
        (blob[..130].into(), NotOurs::Damaged),
        (sealed(with(92, 5)), NotOurs::Damaged),
        (sealed(with(104, b'?')), NotOurs::OtherKey),
    ];
    for (changed, reason) in cases {
        assert_eq!(Frame::decode(&changed.freeze(), &key), Err(reason));
    }
    assert_eq!(
        Frame::decode(&blob, &self::key(b"/b")),
        Err(NotOurs::OtherKey)
    );
}

#[test]
fn what_is_over_the_limit_is_not_written() {
    let (frame, key) = (golden(), key(b"/a"));
    let bytes = frame.encode(&key, MAX_BYTES).unwrap().len();
    assert!(frame.encode(&key, bytes).is_ok());
    let limit = bytes - 1;
    assert_eq!(
        frame.encode(&key, limit),
        Err(FarError::TooLarge { bytes, limit })
    );
}

#[test]
fn head_and_body_are_slices_of_what_was_read() {
    let key = key(b"/a");
    let blob = golden().encode(&key, MAX_BYTES).unwrap();
    let range = blob.as_ptr_range();
    let frame = Frame::decode(&blob, &key).unwrap();
    assert!(range.contains(&frame.head.as_ptr()) && range.contains(&frame.body.as_ptr()));
}

#[test]
fn an_age_is_what_it_was_and_what_passed_since() {
    let frame = golden();
    let later = frame.stored_at.after(Duration::from_secs(1));
    assert_eq!(frame.age(later), Duration::from_millis(1007));
    assert_eq!(frame.age(ServerTime::default()), Duration::from_millis(7));
}

#[cfg(feature = "lz4")]
#[test]
fn a_body_that_is_packed_comes_back_and_one_that_cannot_be_is_left_alone() {
    let key = key(b"/a");
    let mut frame = golden();
    frame.body = vec![b'x'; 100_000].into();
    let packed = frame.encode_lz4(&key, MAX_BYTES).unwrap();
    assert!(packed.len() < 1_000);
    assert_eq!(Frame::decode(&packed, &key), Ok(frame));
    let small = golden();
    let blob = small.encode_lz4(&key, MAX_BYTES).unwrap();
    assert_eq!(blob, small.encode(&key, MAX_BYTES).unwrap());
    let mut bomb = BytesMut::from(&packed[..]);
    let length = packed.len() - 4;
    let begin = packed
        .windows(4)
        .rposition(|at| at == 100_000_u32.to_le_bytes());
    let begin = begin.filter(|begin| *begin < length).unwrap();
    bomb[begin..begin + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    header::seal(&mut bomb);
    assert_eq!(Frame::decode(&bomb.freeze(), &key), Err(NotOurs::Damaged));
}

#[cfg(not(feature = "lz4"))]
#[test]
fn a_packed_body_is_of_another_format_where_nothing_can_unpack_it() {
    let key = key(b"/a");
    let mut blob = BytesMut::from(&golden().encode(&key, MAX_BYTES).unwrap()[..]);
    blob[3] = header::PACKED;
    header::seal(&mut blob);
    assert_eq!(
        Frame::decode(&blob.freeze(), &key),
        Err(NotOurs::OtherFormat)
    );
}

fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..most)
}

fn lifetimes() -> impl Strategy<Value = Lifetime> {
    (any::<[u64; 3]>(), any::<bool>()).prop_map(|([fresh, stale, error], forbids)| {
        let [fresh, stale, error] = [fresh, stale, error].map(|millis| match millis {
            u64::MAX => Duration::MAX,
            millis => Duration::from_millis(millis),
        });
        let lifetime = Lifetime::fresh_for(fresh);
        match forbids {
            true => lifetime.must_revalidate(),
            false => lifetime.stale_while_revalidate(stale).stale_if_error(error),
        }
    })
}

prop_compose! {
    fn frames()(
        kind in any::<u16>(),
        version in any::<[u8; Version::BYTES]>(),
        times in any::<[u32; 3]>(),
        lifetime in lifetimes(),
        born in any::<[u64; 2]>(),
        head in bytes(40),
        tags in prop::collection::vec(any::<[u8; Digest::BYTES]>(), 0..4),
        body in bytes(200),
    ) -> Frame {
        let [stored_at, age, cost] = times.map(u64::from);
        Frame {
            kind,
            version: Version::from_bytes(version),
            stored_at: ServerTime::from_millis(stored_at),
            age_at_store: Duration::from_millis(age),
            lifetime,
            cost: Duration::from_millis(cost),
            born: LogPosition { major: born[0], minor: born[1] },
            head: head.into(),
            tags: tags.into_iter().map(Digest::from_bytes).collect(),
            body: body.into(),
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(frame in frames(), text in bytes(20)) {
        let key = key(&text);
        let blob = frame.encode(&key, MAX_BYTES).unwrap();
        prop_assert_eq!(Version::read_from(&blob), Some(frame.version));
        prop_assert_eq!(Frame::decode(&blob, &key), Ok(frame));
    }

    #[test]
    fn any_bytes_are_read_without_harm(blob in bytes(300), ours in any::<bool>()) {
        let mut blob = BytesMut::from(&blob[..]);
        if ours && blob.len() >= HEADER {
            blob[..3].copy_from_slice(b"HC\x01");
            header::seal(&mut blob);
        }
        drop(Frame::decode(&blob.freeze(), &key(b"")));
    }

    #[test]
    fn no_change_goes_unnoticed(frame in frames(), place in any::<prop::sample::Index>(), bits in 1..=u8::MAX) {
        let key = key(b"/a");
        let mut blob = BytesMut::from(&frame.encode(&key, MAX_BYTES).unwrap()[..]);
        let place = place.index(blob.len());
        blob[place] ^= bits;
        prop_assert!(Frame::decode(&blob.freeze(), &key).is_err());
    }

    #[test]
    fn a_change_that_the_checksum_covers_up_is_read_without_harm(
        frame in frames(),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let key = key(b"/a");
        let mut blob = BytesMut::from(&frame.encode(&key, MAX_BYTES).unwrap()[..]);
        let place = place.index(blob.len());
        blob[place] = byte;
        header::seal(&mut blob);
        drop(Frame::decode(&blob.freeze(), &key));
    }
}
