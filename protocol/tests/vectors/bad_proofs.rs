use sealsum_protocol::merkle::Tree;
use sealsum_protocol::{ClientNonce, CohortProof, Digest, NoncePath, label};

use crate::case::cases;

#[test]
fn bad_cohort_proofs_show_nothing() {
    for case in cases("bad_cohort_proofs") {
        let proof: CohortProof = case.decoded("proof");
        case.assert_refused(proof.verify(
            &case.parsed("client"),
            &case.parsed("root"),
            case.number("size"),
        ));
    }
}

#[test]
fn bad_paths_do_not_lead_to_the_root() {
    for case in cases("bad_paths") {
        match case.text("of") {
            "tree" => {
                let tree = Tree(label::REGISTRY_TREE);
                assert_eq!(tree.0.as_str(), case.text("label"));
                let led = tree.root_from(
                    &tree.leaf(&case.bytes("leaf")),
                    case.number("index"),
                    case.number("size"),
                    &case.list::<Digest>("path"),
                );
                assert_ne!(led, Some(case.parsed("root")), "{}", case.text("name"));
            }
            "nonce" => {
                let path: NoncePath = case.decoded("path");
                let led = path.lead(&case.parsed::<ClientNonce>("nonce"));
                assert_ne!(
                    led,
                    Some(case.bytes32("document_nonce")),
                    "{}",
                    case.text("name")
                );
            }
            other => panic!("{other} has no paths"),
        }
    }
}
