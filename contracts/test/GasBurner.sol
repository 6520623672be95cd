// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC1271, Signatures} from "../src/Signatures.sol";

/// A wallet that calls every signature its own, after burning nearly all the gas it was given.
contract GasBurner is IERC1271 {
    function isValidSignature(bytes32, bytes calldata) external view returns (bytes4) {
        while (gasleft() > 2000) {}
        return Signatures.MAGIC;
    }
}
