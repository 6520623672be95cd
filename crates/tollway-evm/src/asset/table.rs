//! The assets every x402 client knows by default.

use alloy_primitives::{Address, address};

use super::Method;

/// One row: chain id, contract, EIP-712 name and version, digits after the point, symbol, method,
/// and whether approvals can be signed (EIP-2612).
pub(super) type Row = (u64, Address, &'static str, &'static str, u8, &'static str, Method, bool);

use Method::{Eip3009, Permit2};

/// The first row of a chain is its default asset.
#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    (8453, address!("833589fCD6eDb6E08f4c7C32D4f71b54bdA02913"), "USD Coin", "2", 6, "USDC", Eip3009, false),
    (84532, address!("036CbD53842c5426634e7929541eC2318f3dCF7e"), "USDC", "2", 6, "USDC", Eip3009, false),
    (1, address!("A0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"), "USD Coin", "2", 6, "USDC", Eip3009, false),
    (43114, address!("B97EF9Ef8734C71904D8002F8b6Bc66Dd9c48a6E"), "USD Coin", "2", 6, "USDC", Eip3009, false),
    (4326, address!("FAfDdbb3FC7688494971a79cc65DCa3EF82079E7"), "MegaUSD", "1", 18, "MegaUSD", Permit2, true),
    (143, address!("754704Bc059F8C67012fEd69BC8A327a5aafb603"), "USDC", "2", 6, "USDC", Eip3009, false),
    (988, address!("779Ded0c9e1022225f8E0630b35a9b54bE713736"), "USDT0", "1", 6, "USDT0", Eip3009, false),
    (2201, address!("78Cf24370174180738C5B8E352B6D14c83a6c9A9"), "USDT0", "1", 6, "USDT0", Eip3009, false),
    (137, address!("3c499c542cEF5E3811e1192ce70d8cC03d5c3359"), "USD Coin", "2", 6, "USDC", Eip3009, false),
    (42161, address!("af88d065e77c8cC2239327C5EDb3A432268e5831"), "USD Coin", "2", 6, "USDC", Eip3009, false),
    (421614, address!("75faf114eafb1BDbe2F0316DF893fd58CE46AA4d"), "USD Coin", "2", 6, "USDC", Eip3009, false),
    (31612, address!("dD468A1DDc392dcdbEf6db6e34E89AA338F9F186"), "Mezo USD", "1", 18, "mUSD", Permit2, true),
    (31611, address!("118917a40FAF1CD7a13dB0Ef56C86De7973Ac503"), "Mezo USD", "1", 18, "mUSD", Permit2, true),
    (723_487, address!("33ad9e4BD16B69B5BFdED37D8B5D9fF9aba014Fb"), "Stable Coin", "1", 6, "SBC", Permit2, true),
    (72344, address!("33ad9e4BD16B69B5BFdED37D8B5D9fF9aba014Fb"), "Stable Coin", "1", 6, "SBC", Permit2, true),
    (36900, address!("9cb8142aEBBcdc60AF7c97Af897A67A8f3CA71C2"), "USDC.e", "2", 6, "USDC.e", Eip3009, false),
    (190_415, address!("401eCb1D350407f13ba348573E5630B83638E30D"), "Bridged USDC", "2", 6, "USDC.e", Eip3009, false),
    (181_228, address!("401eCb1D350407f13ba348573E5630B83638E30D"), "Bridged USDC", "2", 6, "USDC.e", Eip3009, false),
    (50, address!("fA2958CB79b0491CC627c1557F441eF849Ca8eb1"), "USDC", "2", 6, "USDC", Eip3009, false),
    (51, address!("b5AB69F7bBada22B28e79C8FFAECe55eF1c771D4"), "USDC", "2", 6, "USDC", Eip3009, false),
    (38833, address!("A5b8BF902b2844dA17d4506cc827F7F1681735E7"), "USDC", "1", 6, "USDC", Permit2, false),
    (14, address!("e7cd86e13AC4309349F30B3435a9d337750fC82D"), "USD\u{20ae}0", "1", 6, "USDT0", Eip3009, false),
    (42220, address!("cebA9300f2b948710d2653dD7B07f33A8B32118C"), "USDC", "2", 6, "USDC", Eip3009, false),
    (42220, address!("48065fbBE25f71C9282ddf5e1cD6D6A887483D5e"), "Tether USD", "1", 6, "USDT", Eip3009, false),
    (42220, address!("D2ab3C9A02DBBAB236BfEC45D1d755DF4267F771"), "Tether America USD", "1", 6, "USAT", Eip3009, false),
    (11_142_220, address!("01C5C0122039549AD1493B8220cABEdD739BC44E"), "USDC", "2", 6, "USDC", Eip3009, false),
    (1329, address!("e15fC38F6D8c56aF07bbCBe3BAf5708A2Bf42392"), "USDC", "2", 6, "USDC", Eip3009, false),
    (1328, address!("4fCF1784B31630811181f670Aea7A7bEF803eaED"), "USDC", "2", 6, "USDC", Eip3009, false),
];
