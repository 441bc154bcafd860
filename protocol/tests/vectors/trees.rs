use sealsum_protocol::commitment::is_block_of_sum;
use sealsum_protocol::merkle::Tree;
use sealsum_protocol::nonce::gather;
use sealsum_protocol::{
    ClientId, ClientNonce, Cohort, CohortProof, CommitmentBuilder, Digest, Membership, NoncePath,
    label,
};

use crate::case::cases;

#[test]
fn trees_have_the_roots_and_paths_of_the_vectors() {
    for case in cases("trees") {
        let tree = Tree(label::REGISTRY_TREE);
        assert_eq!(tree.0.as_str(), case.text("label"));
        let data = case.byte_strings("leaves");
        let leaves: Vec<_> = data.iter().map(|data| tree.leaf(data)).collect();
        let root = case.parsed("root");
        assert_eq!(tree.root(&leaves), root);
        let paths = case.lists::<Digest>("paths");
        assert_eq!(paths.len(), leaves.len());
        let size = leaves.len() as u64;
        for ((index, leaf), path) in (0..).zip(&leaves).zip(&paths) {
            assert_eq!(tree.path(&leaves, index).as_ref(), Some(path));
            assert_eq!(tree.root_from(leaf, index, size, path), Some(root));
        }
    }
}

#[test]
fn commitments_have_the_roots_and_paths_of_the_vectors() {
    for case in cases("commitments") {
        let mut builder = match case.text("of") {
            "masked_update" => CommitmentBuilder::masked_update(),
            "masked_sum" => CommitmentBuilder::masked_sum(),
            "aggregate" => CommitmentBuilder::aggregate(),
            other => panic!("{other} is no kind of vector"),
        };
        let blocks = case.byte_strings("blocks");
        blocks.iter().for_each(|block| builder.push(block));
        let root = case.parsed("root");
        assert_eq!(builder.root(), root);
        for ((index, block), path) in (0..).zip(&blocks).zip(case.lists::<Digest>("paths")) {
            assert_eq!(builder.path(index).as_ref(), Some(&path));
            let of_sum = is_block_of_sum(block, index, blocks.len() as u64, &path, &root);
            assert_eq!(of_sum, case.text("of") == "masked_sum");
        }
    }
}

#[test]
fn nonces_lead_to_the_document_as_the_vectors_say() {
    for case in cases("nonces") {
        let nonces: Vec<ClientNonce> = case.list("nonces");
        let (root, paths) = gather(&nonces);
        assert_eq!(root, case.bytes32("document_nonce"));
        for ((nonce, path), expected) in nonces.iter().zip(&paths).zip(case.texts("paths")) {
            let expected = hex::decode(expected).unwrap();
            assert_eq!(sealsum_protocol::canonical::encode(path), expected);
            let path: NoncePath = sealsum_protocol::canonical::decode(&expected).unwrap();
            assert_eq!(path.lead(nonce), Some(root));
        }
    }
}

#[test]
fn cohorts_have_the_roots_and_proofs_of_the_vectors() {
    for case in cases("cohorts") {
        let cohort: Cohort = case
            .objects("members")
            .iter()
            .map(|member| (member.parsed("client"), member.parsed("contribution")))
            .collect();
        let root = case.parsed("root");
        assert_eq!(cohort.root(), root);
        for shown in case.objects("proofs") {
            let client: ClientId = shown.parsed("client");
            let proof: CohortProof = shown.decoded("proof");
            assert_eq!(cohort.prove(&client), proof);
            let expected = if shown.is_null("contribution") {
                Membership::Out
            } else {
                Membership::In(shown.parsed("contribution"))
            };
            assert_eq!(proof.verify(&client, &root, cohort.size()), Ok(expected));
        }
    }
}
