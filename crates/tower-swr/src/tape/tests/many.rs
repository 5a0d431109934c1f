//! Many readers, one after the other and at the same time.

use super::*;

#[tokio::test(start_paused = true)]
async fn ten_thousand_readers_on_one_tape() {
    let (mut writer, anchor) = new(room_for(4, 10));
    let readers: Vec<_> = (0..10_000)
        .map(|_| tokio::spawn(text(anchor.clone())))
        .collect();
    drop(anchor);
    for _ in 0..20 {
        tokio::task::yield_now().await;
        writer.write(chunk(10)).await.unwrap();
    }
    assert_eq!(writer.readers(), 10_000);
    writer.finish();
    for reader in readers {
        assert_eq!(reader.await.unwrap(), (chunk(10).repeat(20), None));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_readers_on_four_threads_count_every_byte() {
    const CHUNKS: usize = 2_000;
    // Everything is kept; a window of many chunks; a window of hardly one.
    for limit in [usize::MAX, room_for(50, 1000), 1] {
        let (mut writer, anchor) = timeless(limit);
        let readers: Vec<_> = (0..100)
            .map(|n| tokio::spawn(count(anchor.clone(), (n % 10 == 0).then_some(n * 100))))
            .collect();
        drop(anchor);
        for n in 0..CHUNKS {
            writer
                .write(chunk(n % 1000 + 1))
                .await
                .expect("most readers stay");
            writer.tape.reel().check();
        }
        writer.finish();
        let whole = (0..CHUNKS).map(|n| n % 1000 + 1).sum::<usize>();
        for (n, reader) in readers.into_iter().enumerate() {
            if n % 10 != 0 {
                assert_eq!(reader.await.expect("no error"), whole);
            }
        }
    }
}

/// Counts the bytes; leaves after some frames where told to, which splits into a clone that reads on for a while.
async fn count(mut reader: TapeReader, leave_after: Option<usize>) -> usize {
    let (mut bytes, mut frames) = (0, 0);
    while let Some(next) = frame(&mut reader).await {
        bytes += next
            .expect("nobody is slow here")
            .into_data()
            .unwrap()
            .len();
        frames += 1;
        if leave_after == Some(frames) {
            reader = reader.clone();
        }
        if leave_after.is_some_and(|after| frames > after) {
            break;
        }
    }
    bytes
}
