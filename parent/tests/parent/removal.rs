//! Rounds that are over go when their time is up: whole, once, wherever it was cut; and no others.

use std::time::Duration;

use axum::http::StatusCode;
use sealsum_protocol::{ClientId, Intake, RoundId};

use crate::stage::{DIMENSION, Stage};

const HOUR: Duration = Duration::from_secs(3600);

impl Stage {
    /// Starts the next parent with this much patience for rounds that are over.
    async fn restart_keeping(&mut self, keep: Option<Duration>) {
        self.ends.keep = keep;
        self.restart_parent().await;
    }

    /// Rows of the round that are stored, and whether files are.
    fn stored_of(&self, round: RoundId) -> (i64, bool) {
        let path = self.folder.path().join("rounds.db");
        let connection = rusqlite::Connection::open(path).unwrap();
        let count = "SELECT (SELECT count(*) FROM records WHERE round_id = ?1)
                          + (SELECT count(*) FROM blobs WHERE round_id = ?1)";
        let records = connection.query_row(count, [round.as_bytes()], |row| row.get(0));
        (records.unwrap(), self.round_folder(round).exists())
    }

    /// Waits until nothing of the round is stored.
    async fn is_removed(&self, round: RoundId) {
        for _ in 0..400 {
            if self.stored_of(round) == (0, false) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("of the round there is still {:?}", self.stored_of(round));
    }

    /// Edits the stored state of a round whose parent is not running: one of SQLite's JSON functions.
    fn edit_state(&self, round: RoundId, edit: &str) {
        let edited = self.edit_database(&format!(
            "UPDATE records SET value = CAST({edit} AS BLOB)
             WHERE kind = 'state' AND hex(round_id) = upper('{round}')"
        ));
        assert_eq!(edited, 1);
    }

    fn stored_end(&self, round: RoundId) -> Option<i64> {
        let path = self.folder.path().join("rounds.db");
        let connection = rusqlite::Connection::open(path).unwrap();
        let query = "SELECT json_extract(CAST(value AS TEXT), '$.ended_at') FROM records
                     WHERE kind = 'state' AND round_id = ?1";
        connection
            .query_row(query, [round.as_bytes()], |row| row.get(0))
            .unwrap()
    }

    async fn stop(&mut self) {
        self.parent.take().unwrap().shutdown().await;
    }

    async fn released(&self) -> RoundId {
        let round = self.open(Intake::Presum, DIMENSION).await;
        self.put_all(round, [1, 2, 3]).await;
        let closed = self.post(&format!("/v1/rounds/{round}/close")).await;
        assert_eq!(closed.status, StatusCode::OK);
        round
    }

    /// Every call about the round is answered as if it had never been.
    async fn knows_nothing_of(&self, round: RoundId) {
        let path = format!("/v1/rounds/{round}");
        let client = ClientId::new([1; 32]);
        for below in [
            "",
            "/evidence",
            "/receipt",
            "/abort-receipt",
            "/aggregate",
            &format!("/proofs/{client}"),
            &format!("/offer?nonce={round}"),
        ] {
            let answer = self.get(&format!("{path}{below}")).await;
            answer.refused_with(404, "unknown_round");
        }
        for below in ["/close", "/abort"] {
            let answer = self.post(&format!("{path}{below}")).await;
            answer.refused_with(404, "unknown_round");
        }
        let answer = self.put_small(round, 1).await;
        assert_eq!(answer, Err("unknown_round".to_owned()));
        let list = self.get("/v1/rounds").await.json();
        let rounds = list["rounds"].as_array().unwrap();
        assert!(rounds.iter().all(|it| it["round_id"] != round.to_string()));
    }
}

/// `value` with this done to it.
const TWO_HOURS_OLDER: &str = "json_set(CAST(value AS TEXT), '$.ended_at',
    json_extract(CAST(value AS TEXT), '$.ended_at') - 7200)";
const BEING_REMOVED: &str = "json_set(CAST(value AS TEXT), '$.removed', json('true'))";
const OF_AN_EARLIER_PARENT: &str = "json_remove(CAST(value AS TEXT), '$.ended_at')";

#[tokio::test]
async fn what_is_over_goes_whole_and_what_is_in_progress_goes_on() {
    let mut stage = Stage::new().await;
    let released = stage.released().await;
    let aborted = stage.open(Intake::Stream, DIMENSION).await;
    stage.put_all(aborted, [1]).await;
    stage.post(&format!("/v1/rounds/{aborted}/abort")).await;
    let collecting = stage.open(Intake::Presum, DIMENSION).await;
    stage.put_all(collecting, [1, 2]).await;
    for keep in [None, Some(HOUR)] {
        stage.restart_keeping(keep).await;
        stage.assert_aggregate(released, [1, 2, 3]).await;
        assert!(stage.stored_of(aborted).0 > 0);
    }

    stage.restart_keeping(Some(Duration::ZERO)).await;
    for round in [released, aborted] {
        stage.is_removed(round).await;
        stage.knows_nothing_of(round).await;
    }
    assert_eq!(stage.phase(collecting).await, "collecting");
    stage.put_all(collecting, [3]).await;
    let closed = stage.post(&format!("/v1/rounds/{collecting}/close")).await;
    assert_eq!(closed.json()["cohort_size"], 3);
    // Its turn comes as soon as it is over.
    stage.is_removed(collecting).await;
    stage.restart_keeping(None).await;
    for round in [released, aborted, collecting] {
        stage.knows_nothing_of(round).await;
    }
}

#[tokio::test]
async fn a_round_is_kept_from_its_end_on_for_as_long_as_was_said() {
    let mut stage = Stage::new().await;
    let (old, young) = (stage.released().await, stage.released().await);
    stage.stop().await;
    stage.edit_state(old, TWO_HOURS_OLDER);
    stage.ends.keep = Some(HOUR);
    stage.start_parent().await;
    stage.is_removed(old).await;
    stage.assert_aggregate(young, [1, 2, 3]).await;
}

#[tokio::test]
async fn a_round_that_an_earlier_parent_ended_is_kept_from_the_first_look_on() {
    let mut stage = Stage::new().await;
    let round = stage.released().await;
    stage.stop().await;
    stage.edit_state(round, OF_AN_EARLIER_PARENT);
    // Not looked at by one that keeps all.
    stage.start_parent().await;
    stage.stop().await;
    assert_eq!(stage.stored_end(round), None);
    stage.ends.keep = Some(HOUR);
    stage.start_parent().await;
    let mut ended = None;
    for _ in 0..400 {
        ended = stage.stored_end(round);
        if ended.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert!(ended.is_some(), "the first look was not noted");
    stage.restart_parent().await;
    stage.assert_aggregate(round, [1, 2, 3]).await;
    assert_eq!(stage.stored_end(round), ended);
    stage.stop().await;
    stage.edit_state(round, TWO_HOURS_OLDER);
    stage.start_parent().await;
    stage.is_removed(round).await;
}

/// A kill between the proof of an end and the state that says so.
#[tokio::test]
async fn a_round_whose_end_was_never_written_goes_all_the_same() {
    let mut stage = Stage::new().await;
    let aborted = stage.open(Intake::Presum, DIMENSION).await;
    stage.put_all(aborted, [1]).await;
    stage.post(&format!("/v1/rounds/{aborted}/abort")).await;
    stage.stop().await;
    let collecting =
        "json_remove(json_set(CAST(value AS TEXT), '$.phase', 'collecting'), '$.ended_at')";
    stage.edit_state(aborted, collecting);
    stage.ends.keep = Some(HOUR);
    stage.start_parent().await;
    for _ in 0..400 {
        if stage.stored_end(aborted).is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert_eq!(stage.phase(aborted).await, "aborted");
    stage.restart_keeping(Some(Duration::ZERO)).await;
    stage.is_removed(aborted).await;
}

/// The abort receipt of a round that was lost before is kept from its own day on.
#[tokio::test]
async fn an_end_that_comes_later_counts_from_then_on() {
    let mut stage = Stage::new().await;
    let round = stage.open(Intake::Presum, DIMENSION).await;
    stage.put_all(round, [1]).await;
    stage.stop().await;
    let lost = "json_set(CAST(value AS TEXT), '$.phase', 'lost', '$.ended_at', 1000000)";
    stage.edit_state(round, lost);
    stage.start_parent().await;
    let aborted = stage.post(&format!("/v1/rounds/{round}/abort")).await;
    assert_eq!(aborted.status, StatusCode::OK, "{:?}", aborted.body);
    assert!(stage.stored_end(round).unwrap() > 1_000_000_000);
}

#[tokio::test]
async fn a_removal_that_was_cut_is_ended_by_the_next_start_and_served_by_none() {
    for blobs_are_gone in [false, true] {
        let mut stage = Stage::new().await;
        let (cut, whole) = (stage.released().await, stage.released().await);
        stage.stop().await;
        stage.edit_state(cut, BEING_REMOVED);
        if blobs_are_gone {
            let rows = format!("DELETE FROM blobs WHERE hex(round_id) = upper('{cut}')");
            let rows = stage.edit_database(&rows);
            let files = std::fs::remove_dir_all(stage.round_folder(cut)).is_ok();
            assert!(rows > 0 || files);
        }
        // Whatever is said of keeping by now.
        stage.start_parent().await;
        stage.knows_nothing_of(cut).await;
        stage.is_removed(cut).await;
        stage.knows_nothing_of(cut).await;
        stage.assert_aggregate(whole, [1, 2, 3]).await;
    }
}
