// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {TestUSDC} from "../src/TestUSDC.sol";

/// Keeps a hundredth of what it moves.
contract FeeToken is TestUSDC {
    function move(address from, address to, uint256 value) internal override {
        uint256 fee = value / 100;
        super.move(from, to, value - fee);
        super.move(from, address(this), fee);
    }
}

/// Says no instead of reverting, and moves nothing.
contract FalseToken is TestUSDC {
    function transfer(address, uint256) external pure override returns (bool) {
        return false;
    }

    function transferFrom(address, address, uint256) external pure override returns (bool) {
        return false;
    }

    function move(address, address, uint256) internal override {}
}

/// Moves, and returns no data at all.
contract SilentToken is TestUSDC {
    function transfer(address to, uint256 value) external override returns (bool) {
        move(msg.sender, to, value);
        assembly {
            return(0, 0)
        }
    }

    function transferFrom(address from, address to, uint256 value) external override returns (bool) {
        spend(from, value);
        move(from, to, value);
        assembly {
            return(0, 0)
        }
    }
}

/// Does nothing, without a word, where an authorization was used before.
contract NoopToken is TestUSDC {
    function authorized(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes memory signature
    ) internal override {
        if (used[from][nonce]) return;
        super.authorized(from, to, value, validAfter, validBefore, nonce, signature);
    }
}

/// Moves one unit, and logs that it moved all.
contract LyingToken is TestUSDC {
    function move(address from, address to, uint256 value) internal override {
        uint256 moved = value == 0 ? 0 : 1;
        require(moved <= balanceOf[from], "ERC20: transfer amount exceeds balance");
        balanceOf[from] -= moved;
        balanceOf[to] += moved;
        emit Transfer(from, to, value);
    }
}

/// Moves all, and logs another payee.
contract WrongLogToken is TestUSDC {
    function move(address from, address to, uint256 value) internal override {
        require(value <= balanceOf[from], "ERC20: transfer amount exceeds balance");
        balanceOf[from] -= value;
        balanceOf[to] += value;
        emit Transfer(from, address(this), value);
    }
}
