"""Who signed a payment on an EVM chain: Keccak-256, EIP-712 and recovery on secp256k1, in plain Python."""

P = 2**256 - 2**32 - 977
N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
G = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)
PERMIT2 = "0x000000000022D473030F116dDEE9F6B43aC78BA3"
EXACT_PROXY = "0x402085c248eea27d92e8b30b2c58ed07f9e20001"
MASK = 2**64 - 1


def keccak256(data):
    rate, state = 136, [0] * 25
    padded = bytearray(data + b"\x01" + bytes(-(len(data) + 1) % rate))
    padded[-1] |= 0x80
    for start in range(0, len(padded), rate):
        for lane in range(rate // 8):
            state[lane] ^= int.from_bytes(padded[start + 8 * lane : start + 8 * lane + 8], "little")
        permute(state)
    return b"".join(lane.to_bytes(8, "little") for lane in state[:4])


def permute(lanes):
    """Keccak-f[1600]; lane x, y stands at x + 5 y."""
    lfsr = 1
    for _ in range(24):
        columns = [lanes[x] ^ lanes[x + 5] ^ lanes[x + 10] ^ lanes[x + 15] ^ lanes[x + 20] for x in range(5)]
        for x in range(5):
            parity = columns[(x + 4) % 5] ^ rotated(columns[(x + 1) % 5], 1)
            for y in range(5):
                lanes[x + 5 * y] ^= parity
        x, y, held = 1, 0, lanes[1]
        for step in range(24):
            x, y = y, (2 * x + 3 * y) % 5
            held, lanes[x + 5 * y] = lanes[x + 5 * y], rotated(held, (step + 1) * (step + 2) // 2)
        for y in range(0, 25, 5):
            row = lanes[y : y + 5]
            for x in range(5):
                lanes[y + x] = row[x] ^ (~row[(x + 1) % 5] & MASK & row[(x + 2) % 5])
        for bit in range(7):
            lfsr = (lfsr << 1) ^ ((lfsr >> 7) * 0x171)
            if lfsr & 2:
                lanes[0] ^= 1 << ((1 << bit) - 1)


def rotated(lane, by):
    by %= 64
    return ((lane << by) | (lane >> (64 - by))) & MASK


def recovered(digest, signature):
    """The address whose key made these 65 bytes over a digest; None if no key did."""
    if len(signature) != 65 or signature[64] not in (0, 1, 27, 28):
        return None
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    if not 0 < r < N or not 0 < s <= N // 2:
        return None
    square = (pow(r, 3, P) + 7) % P
    y = pow(square, (P + 1) // 4, P)
    if y * y % P != square:
        return None
    if y % 2 != (signature[64] - 27) % 2:
        y = P - y
    inverse = pow(r, -1, N)
    left = multiplied((r, y), s * inverse % N)
    right = multiplied(G, -int.from_bytes(digest, "big") * inverse % N)
    point = added(left, right)
    if point is None:
        return None
    return "0x" + keccak256(b"".join(number.to_bytes(32, "big") for number in point))[12:].hex()


def added(one, other):
    if one is None or other is None:
        return one or other
    if one[0] == other[0]:
        if (one[1] + other[1]) % P == 0:
            return None
        slope = 3 * one[0] * one[0] * pow(2 * one[1], -1, P) % P
    else:
        slope = (other[1] - one[1]) * pow(other[0] - one[0], -1, P) % P
    x = (slope * slope - one[0] - other[0]) % P
    return x, (slope * (one[0] - x) - one[1]) % P


def multiplied(point, by):
    total = None
    while by:
        if by & 1:
            total = added(total, point)
        point, by = added(point, point), by >> 1
    return total


def word(value):
    """A value as the 32 bytes that typed data hashes it by: numbers, addresses, hashes."""
    if isinstance(value, bytes):
        return value
    number = int(value, 16) if isinstance(value, str) and value.startswith("0x") else int(value)
    return number.to_bytes(32, "big")


def struct(signature, *values):
    return keccak256(keccak256(signature.encode()) + b"".join(map(word, values)))


def text(value):
    return keccak256(value.encode())


def digest_of(payment, network, asset):
    """What the payer of a payment signs; None for a form that is not known here."""
    payload, chain = payment["paymentPayload"]["payload"], int(network.removeprefix("eip155:"))
    if "authorization" in payload:
        extra, told = payment["paymentRequirements"]["extra"], payload["authorization"]
        domain = struct(
            "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)",
            text(extra["name"]), text(extra["version"]), chain, asset,
        )
        message = struct(
            "TransferWithAuthorization(address from,address to,uint256 value,"
            "uint256 validAfter,uint256 validBefore,bytes32 nonce)",
            *(told[name] for name in ("from", "to", "value", "validAfter", "validBefore", "nonce")),
        )
    elif "permit2Authorization" in payload:
        told = payload["permit2Authorization"]
        permitted, witness = told["permitted"], told["witness"]
        domain = struct("EIP712Domain(string name,uint256 chainId,address verifyingContract)", text("Permit2"), chain, PERMIT2)
        tokens, holds = "TokenPermissions(address token,uint256 amount)", "Witness(address to,uint256 validAfter)"
        message = struct(
            "PermitWitnessTransferFrom(TokenPermissions permitted,address spender,uint256 nonce,"
            f"uint256 deadline,Witness witness){tokens}{holds}",
            struct(tokens, permitted["token"], permitted["amount"]),
            told["spender"], told["nonce"], told["deadline"],
            struct(holds, witness["to"], witness["validAfter"]),
        )
    else:
        return None
    return keccak256(b"\x19\x01" + domain + message)


def signed_by_key(payment, network, asset, payer):
    """Whether the payer's own key signed; if not, only code at its address can have accepted it."""
    digest = digest_of(payment, network, asset)
    if digest is None:
        return False
    signature = bytes.fromhex(payment["paymentPayload"]["payload"]["signature"].removeprefix("0x"))
    return recovered(digest, signature) == payer.lower()


if keccak256(b"").hex() != "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470":
    raise AssertionError("this Keccak-256 is none")
