//! What inputs are made from: the vectors of the repository, and what a target names itself.

use serde_json::Value;

use crate::targets::Target;

const VECTORS: [&str; 7] = [
    include_str!("../../../vectors/protocol/headers.json"),
    include_str!("../../../vectors/protocol/messages.json"),
    include_str!("../../../vectors/protocol/numerals.json"),
    include_str!("../../../vectors/signatures/directory.json"),
    include_str!("../../../vectors/signatures/key.json"),
    include_str!("../../../vectors/signatures/requests.json"),
    include_str!("../../../vectors/signatures/web-bot-auth-architecture-v2.json"),
];
/// Longest text taken from the vectors, and how many.
const TEXT_MAX: usize = 4 << 10;
const POOL_MAX: usize = 400;

/// A target's own seeds, together twice as often as the vectors' texts.
pub(crate) fn of(target: &Target) -> Vec<Vec<u8>> {
    let mut pool = Vec::new();
    for vectors in VECTORS {
        let value: Value = serde_json::from_str(vectors).expect("the vectors are JSON");
        gather(&value, &mut pool);
    }
    pool.truncate(POOL_MAX);
    let own = (target.seeds)();
    let times = (2 * pool.len()).div_ceil(own.len().max(1));
    let own = own.into_iter().flat_map(|seed| std::iter::repeat_n(seed.into_bytes(), times));
    own.chain(pool).collect()
}

fn gather(value: &Value, pool: &mut Vec<Vec<u8>>) {
    match value {
        Value::String(text) if text.len() <= TEXT_MAX => pool.push(text.clone().into_bytes()),
        Value::Array(items) => items.iter().for_each(|item| gather(item, pool)),
        Value::Object(members) => members.values().for_each(|member| gather(member, pool)),
        _ => {}
    }
}
