//! Everything is kept, nobody waits.

use http::HeaderMap;

use super::*;

#[tokio::test]
async fn early_and_late_readers_read_the_same() {
    let (mut writer, anchor) = new(1 << 20);
    let early = tokio::spawn(text(anchor.clone()));
    put(&mut writer, "one ").unwrap();
    tokio::task::yield_now().await;
    let late = tokio::spawn(text(anchor.clone()));
    put(&mut writer, "").unwrap();
    put(&mut writer, "two").unwrap();
    writer.finish();
    let after_the_end = text(anchor).await;

    let whole = (b"one two".to_vec(), None);
    assert_eq!(early.await.unwrap(), whole);
    assert_eq!(late.await.unwrap(), whole);
    assert_eq!(after_the_end, whole);
}

#[tokio::test]
async fn a_clone_goes_on_where_the_original_is() {
    let (mut writer, mut reader) = new(1 << 20);
    put(&mut writer, "one ").unwrap();
    put(&mut writer, "two").unwrap();
    assert_eq!(data(&mut reader).await, "one ");
    let clone = reader.clone();
    assert_eq!(data(&mut reader).await, "two");
    assert!(poll_reader(&mut reader).is_pending());
    let waiting = reader.clone();
    put(&mut writer, " three").unwrap();
    writer.finish();
    assert_eq!(text(clone).await, (b"two three".to_vec(), None));
    assert_eq!(text(waiting).await, (b" three".to_vec(), None));
    assert_eq!(text(reader.clone()).await, (b" three".to_vec(), None));
    assert_eq!(data(&mut reader).await, " three");
    assert!(frame(&mut reader).await.is_none());
    assert_eq!(text(reader.clone()).await, (Vec::new(), None));
}

#[tokio::test]
async fn up_to_the_limit_no_reader_is_needed_and_none_is_waited_for() {
    let (mut writer, reader) = new(room_for(4, 10));
    put_all(&mut writer, 2, 10);
    drop(reader);
    put_all(&mut writer, 2, 10);
    assert_eq!(writer.readers(), 0);
    assert!(!writer.overflowed());
    assert_eq!(writer.whole().unwrap().len(), 40);
}

#[test]
fn the_whole_is_one_exact_copy() {
    let (mut writer, _reader) = new(1 << 20);
    assert_eq!(writer.whole().unwrap(), "");
    let large = chunk(10_000);
    put(&mut writer, large.clone()).unwrap();
    assert_ne!(writer.whole().unwrap().as_ptr(), large.as_ptr());
    put(&mut writer, "tail").unwrap();

    let whole = writer.whole().unwrap();
    assert_eq!(whole, [&large[..], b"tail"].concat());
    assert!(whole.is_unique());
    let whole = Vec::from(whole);
    assert_eq!(whole.capacity(), 10_004);
}

#[test]
fn an_empty_chunk_is_no_chunk() {
    let (mut writer, mut reader) = new(0);
    put(&mut writer, "").unwrap();
    assert!(poll_reader(&mut reader).is_pending());
    assert!(!writer.overflowed());
}

#[test]
fn a_small_chunk_is_copied_and_a_large_one_kept() {
    let buffer = chunk(100_000);
    let (mut writer, mut reader) = new(1 << 20);
    for len in [4095, 4096] {
        put(&mut writer, buffer.slice(..len)).unwrap();
        let Poll::Ready(Some(Ok(frame))) = poll_reader(&mut reader) else {
            panic!("the chunk is there");
        };
        let kept = frame.into_data().unwrap();
        assert_eq!(kept, buffer.slice(..len));
        assert_eq!(kept.as_ptr() == buffer.as_ptr(), len == 4096);
    }
}

#[tokio::test]
async fn trailers_follow_the_last_chunk_for_every_reader() {
    let (mut writer, mut reader) = new(1 << 20);
    let other = reader.clone();
    put(&mut writer, "text").unwrap();
    let mut trailers = HeaderMap::new();
    trailers.insert("digest", "abc".parse().unwrap());
    writer.set_trailers(trailers.clone());
    writer.finish();
    for mut reader in [reader.clone(), other] {
        assert_eq!(data(&mut reader).await, "text");
        assert!(!reader.is_end(), "the trailers are to come");
        let last = frame(&mut reader).await.unwrap().unwrap();
        assert_eq!(last.into_trailers().unwrap(), trailers);
        assert!(reader.is_end());
        assert!(frame(&mut reader).await.is_none());
        assert!(frame(&mut reader.clone()).await.is_none());
    }
    assert_eq!(data(&mut reader).await, "text");
}

#[test]
fn the_end_is_known_as_soon_as_it_is_there() {
    let (mut writer, mut reader) = new(1 << 20);
    assert!(!reader.is_end());
    put(&mut writer, "text").unwrap();
    assert!(poll_reader(&mut reader).is_ready());
    assert!(!reader.is_end(), "the writer may go on");
    writer.finish();
    assert!(reader.is_end());

    let (writer, mut reader) = new(1 << 20);
    writer.cut(TapeError::Cut(CutReason::Long));
    assert!(!reader.is_end(), "the error is to come");
    assert!(poll_reader(&mut reader).is_ready());
    assert!(reader.is_end());
}
