//! A truncated body never passes as complete.

use http::HeaderMap;

use super::*;

#[tokio::test]
async fn a_cut_body_ends_with_its_error_after_what_was_written() {
    let (mut writer, reader) = new(1 << 20);
    let late = reader.clone();
    let early = tokio::spawn(text(reader));
    tokio::task::yield_now().await;
    put(&mut writer, "half").unwrap();
    writer.set_trailers(HeaderMap::new());
    let error = TapeError::Cut(CutReason::Short);
    writer.cut(error);
    assert_eq!(early.await.unwrap(), (b"half".to_vec(), Some(error)));
    assert_eq!(text(late).await, (b"half".to_vec(), Some(error)));
}

#[tokio::test]
async fn a_dropped_writer_never_looks_like_an_end() {
    let (writer, mut reader) = new(1 << 20);
    let waiting = tokio::spawn(text(reader.clone()));
    tokio::task::yield_now().await;
    drop(writer);
    let abandoned = Some(TapeError::Abandoned);
    assert_eq!(waiting.await.unwrap(), (Vec::new(), abandoned));
    assert!(!reader.is_end());
    assert_eq!(
        frame(&mut reader).await.unwrap().unwrap_err(),
        TapeError::Abandoned
    );
    assert!(frame(&mut reader).await.is_none());

    let (mut writer, reader) = new(1 << 20);
    put(&mut writer, "half").unwrap();
    let task = tokio::spawn(async move {
        let _writer = writer;
        panic!("the fill's own bug");
    });
    assert!(task.await.is_err());
    assert_eq!(text(reader).await, (b"half".to_vec(), abandoned));
}

#[tokio::test(start_paused = true)]
async fn a_writer_stopped_in_its_wait_never_looks_like_an_end() {
    let (mut writer, reader) = new(room_for(1, 10));
    put_all(&mut writer, 2, 10);
    let task = tokio::spawn(async move { writer.write(chunk(10)).await });
    tokio::time::sleep(MS).await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    assert_eq!(
        text(reader).await,
        ([chunk(10), chunk(10)].concat(), Some(TapeError::Abandoned))
    );
}

#[tokio::test(start_paused = true)]
async fn a_dropped_write_loses_its_own_chunk_only() {
    let (mut writer, reader) = new(room_for(1, 4));
    put(&mut writer, "one ").unwrap();
    put(&mut writer, "two ").unwrap();
    {
        let mut write = pin!(writer.write(Bytes::from_static(b"lost")));
        assert!(poll_once(write.as_mut()).is_pending());
    }
    writer.cut(TapeError::Cut(CutReason::Failed));
    let (text, error) = text(reader).await;
    assert_eq!(text, b"one two ");
    assert_eq!(error, Some(TapeError::Cut(CutReason::Failed)));
}

#[test]
fn errors_say_what_to_do() {
    for error in [
        TapeError::Cut(CutReason::Failed),
        TapeError::Cut(CutReason::Stalled),
        TapeError::Cut(CutReason::Short),
        TapeError::Cut(CutReason::Long),
        TapeError::TooSlow,
        TapeError::Abandoned,
    ] {
        let text = error.to_string();
        assert!(text.contains(':') && !text.contains("  "), "{text}");
    }
    assert!(NoReaders.to_string().contains("cancel"));
}
