//! Over the limit.

use super::*;

#[test]
fn the_chunk_that_crosses_the_limit_waits_for_nobody() {
    let (mut writer, anchor) = timeless(room_for(2, 10));
    put_all(&mut writer, 2, 10);
    assert!(!writer.overflowed());
    assert!(writer.whole().is_some());
    put_all(&mut writer, 1, 10);
    assert!(writer.overflowed(), "said before the anchor blocks");
    assert!(writer.whole().is_none());
    assert!(poll_once(pin!(writer.write(chunk(10)))).is_pending());
    drop(anchor);
    assert_eq!(put(&mut writer, chunk(10)), Err(NoReaders));
}

#[tokio::test(start_paused = true)]
async fn a_window_moves_with_the_slowest_reader() {
    let (mut writer, mut slow) = new(room_for(2, 10));
    let quick = tokio::spawn(text(slow.clone()));
    put_all(&mut writer, 3, 10);
    let write = tokio::spawn(async move { writer.write(chunk(10)).await.map(|()| writer) });
    tokio::time::sleep(MS).await;
    assert!(!write.is_finished());
    data(&mut slow).await;
    let writer = write.await.unwrap().unwrap();
    assert_eq!(writer.tape.reel().held(), room_for(3, 10));
    writer.finish();
    assert_eq!(text(slow).await.0.len(), 30);
    assert_eq!(quick.await.unwrap(), (chunk(10).repeat(4), None));
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_that_leaves_frees_the_writer() {
    let (mut writer, slow) = new(room_for(2, 10));
    let quick = tokio::spawn(text(slow.clone()));
    put_all(&mut writer, 3, 10);
    let write = tokio::spawn(async move { writer.write(chunk(10)).await.map(|()| writer) });
    tokio::time::sleep(MS).await;
    assert!(!write.is_finished());
    drop(slow);
    tokio::time::sleep(MS).await;
    write.await.unwrap().unwrap().finish();
    assert_eq!(quick.await.unwrap(), (chunk(10).repeat(4), None));
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_stands_still_is_cut_off_and_the_others_go_on() {
    let clock = SystemClock::default();
    let (mut writer, mut slow) = new(room_for(2, 10));
    let quick = tokio::spawn(text(slow.clone()));
    put_all(&mut writer, 2, 10);
    assert_eq!(data(&mut slow).await, chunk(10));
    tokio::task::yield_now().await; // the quick one keeps up
    put_all(&mut writer, 2, 10);
    let begun = clock.now();
    writer.write(chunk(10)).await.unwrap();
    let waited = clock.now().since(begun);
    assert!((IDLE..=IDLE + MS).contains(&waited), "{waited:?}"); // tokio rounds up
    assert_eq!(writer.readers(), 1);
    for _ in 0..20 {
        tokio::task::yield_now().await;
        put_all(&mut writer, 1, 10);
    }
    writer.finish();

    let clone = slow.clone();
    assert!(!slow.is_end());
    assert_eq!(
        frame(&mut slow).await.unwrap().unwrap_err(),
        TapeError::TooSlow
    );
    assert!(frame(&mut slow).await.is_none());
    assert!(slow.is_end());
    assert_eq!(text(clone).await, (Vec::new(), Some(TapeError::TooSlow)));
    assert_eq!(quick.await.unwrap(), (chunk(10).repeat(25), None));
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_moves_within_the_idle_time_is_waited_for() {
    let (mut writer, mut slow) = new(room_for(2, 10));
    let quick = tokio::spawn(text(slow.clone()));
    let reader = tokio::spawn(async move {
        let mut read = 0;
        while let Some(frame) = frame(&mut slow).await {
            read += frame.expect("never cut off").into_data().unwrap().len();
            tokio::time::sleep(IDLE - MS).await;
        }
        read
    });
    for _ in 0..20 {
        writer.write(chunk(10)).await.unwrap();
    }
    writer.finish();
    assert_eq!(reader.await.unwrap(), 200);
    assert_eq!(quick.await.unwrap(), (chunk(10).repeat(20), None));
}

#[tokio::test(start_paused = true)]
async fn all_who_stand_still_are_cut_off_after_one_wait() {
    let clock = SystemClock::default();
    let (mut writer, anchor) = new(room_for(8, 10));
    put_all(&mut writer, 9, 10);
    let mut still = Vec::new();
    for position in 0..8 {
        let mut reader = anchor.clone();
        for _ in 0..position {
            data(&mut reader).await;
        }
        still.push(reader);
    }
    drop(anchor);
    let mut mover = still[2].clone();
    let begun = clock.now();
    let write = tokio::spawn(async move { writer.write(chunk(10)).await.map(|()| writer) });
    tokio::time::sleep(MS).await;
    data(&mut mover).await; // moves during the wait, and keeps company to the one at 3
    let writer = write.await.unwrap().unwrap();
    assert!(clock.now().since(begun) <= IDLE + MS);
    assert_eq!(
        writer.readers(),
        6,
        "those at 0 to 2 are gone, those before the mover not yet"
    );
    drop(mover);

    let mut writer = writer;
    for _ in 0..2 {
        writer.write(chunk(10)).await.unwrap();
    }
    let cut = writer.write(chunk(10)).await;
    assert_eq!(
        cut,
        Err(NoReaders),
        "all of the rest went with the second wait"
    );
    assert!(clock.now().since(begun) <= 2 * (IDLE + MS));
}

#[tokio::test(start_paused = true)]
async fn what_others_passed_during_the_wait_goes_with_the_one_cut_off() {
    let clock = SystemClock::default();
    let (mut writer, still) = new(room_for(2, 10));
    let mut quick = still.clone();
    put_all(&mut writer, 2, 10);
    put_all(&mut writer, 1, 5000); // without its room there is none
    let begun = clock.now();
    let write = tokio::spawn(async move { writer.write(chunk(10)).await.map(|()| writer) });
    tokio::time::sleep(MS).await;
    for _ in 0..3 {
        data(&mut quick).await;
    }
    let writer = write.await.unwrap().unwrap();
    assert!(clock.now().since(begun) <= IDLE + MS);
    assert_eq!(writer.readers(), 1);
    assert_eq!(writer.tape.reel().held(), room_for(1, 10));
    writer.tape.reel().check();
    assert_eq!(text(still).await.1, Some(TapeError::TooSlow));
}

#[tokio::test(start_paused = true)]
async fn the_last_reader_that_leaves_ends_the_write() {
    let (mut writer, reader) = new(room_for(2, 10));
    put_all(&mut writer, 3, 10);
    let write = tokio::spawn(async move { writer.write(chunk(10)).await });
    tokio::time::sleep(MS).await;
    assert!(!write.is_finished());
    drop(reader);
    assert_eq!(write.await.unwrap(), Err(NoReaders));
}

#[test]
fn nobody_reads_what_would_cross_the_limit() {
    let (mut writer, reader) = new(room_for(2, 10));
    drop(reader);
    put_all(&mut writer, 2, 10);
    assert_eq!(put(&mut writer, chunk(10)), Err(NoReaders));
    assert!(writer.overflowed(), "the body is too large, read or not");
    assert!(writer.whole().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_chunk_larger_than_the_limit_goes_through() {
    let (mut writer, mut reader) = new(10);
    for _ in 0..3 {
        put(&mut writer, chunk(50_000)).unwrap();
        assert_eq!(data(&mut reader).await, chunk(50_000));
        writer.tape.reel().check();
    }
    writer.finish();
    assert!(reader.is_end());
}

#[test]
fn one_byte_chunks_cannot_outgrow_the_limit() {
    let limit = 65_000;
    let (mut writer, mut reader) = timeless(limit);
    let mut written = 0;
    while let Poll::Ready(result) = poll_once(pin!(writer.write(Bytes::from_static(b"x")))) {
        result.unwrap();
        written += 1;
        assert!(written <= 2_000, "unbounded");
    }
    assert_eq!(written, limit / (1 + CHUNK_OVERHEAD) + 1);
    for _ in 0..5_000 {
        assert!(poll_reader(&mut reader).is_ready());
        put(&mut writer, "x").unwrap();
        let reel = writer.tape.reel();
        assert!(reel.held() <= limit + 1 + CHUNK_OVERHEAD);
        reel.check();
    }
}
