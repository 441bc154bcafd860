//! What was sealed by an earlier version is known again.

use super::*;
use crate::testing::single;

#[test]
fn an_update_of_32_bits_is_known_again_by_what_an_earlier_version_kept() {
    let mut site = Site::new();
    let round = Round::new(1);
    let _ = site.spend(&round).unwrap();
    let update = single(site.folder.path(), &[1.5; 10]);
    let other = single(site.folder.path(), &[1.25; 10]);
    let keep = |site: &Site, kept: Fingerprint| {
        let change = "UPDATE contributions SET fingerprint = ?1";
        let changed = site.ledger.connection.execute(change, [kept.as_bytes()]);
        assert_eq!(changed, Ok(1));
    };
    for kept in [
        site.ledger.earlier_fingerprint(&update, 1),
        site.ledger.fingerprint(&update, 1),
    ] {
        keep(&site, kept);
        let known = |update, weight| site.ledger.was_sealed(&round.id(), update, weight).unwrap();
        assert_eq!(known(&update, 1), Some(true));
        assert_eq!(known(&update, 2), Some(false));
        assert_eq!(known(&other, 1), Some(false));
    }
}
