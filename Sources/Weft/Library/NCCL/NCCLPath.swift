/// What lies between two devices of a node, from near to far, in NCCL's classes.
///
/// NCCL takes the worst class on a pattern's edges as the pattern's type, and gates LL128 by it.
/// Source: NCCL 2.30.7, src/graph/topo.h. Versions before 2.27 know no ``p2c``; there a GPU reaches
/// its NIC through NVLink-C2C by ``hostBridge``.
public enum NCCLPath: Int, CaseIterable, Comparable, Sendable {
  /// The device itself.
  case local
  /// NVLink, directly or through a switch.
  case nvlink
  /// NVLink through another GPU.
  case nvlinkBridge
  /// NVLink-C2C between a GPU and its processor.
  case c2c
  /// One PCIe switch.
  case pcieSwitch
  /// Several PCIe switches.
  case pcieSwitches
  /// NVLink-C2C, then the processor's PCIe: a Grace Hopper GPU to its NIC.
  case p2c
  /// NVLink to a GPU that is near the NIC; for sending only.
  case viaNVLinkPeer
  /// The processor's host bridge.
  case hostBridge
  /// The link between processors or NUMA domains.
  case system

  /// The class as NCCL's logs and graph files name it.
  public var name: String {
    switch self {
    case .local: "LOC"
    case .nvlink: "NVL"
    case .nvlinkBridge: "NVB"
    case .c2c: "C2C"
    case .pcieSwitch: "PIX"
    case .pcieSwitches: "PXB"
    case .p2c: "P2C"
    case .viaNVLinkPeer: "PXN"
    case .hostBridge: "PHB"
    case .system: "SYS"
    }
  }

  /// What a message crosses on such a path, in words.
  public var words: String {
    switch self {
    case .local: "nothing"
    case .nvlink: "NVLink"
    case .nvlinkBridge: "NVLink by another GPU"
    case .c2c, .p2c: "NVLink-C2C"
    case .pcieSwitch: "a PCIe switch"
    case .pcieSwitches: "several PCIe switches"
    case .viaNVLinkPeer: "NVLink to the NIC's GPU"
    case .hostBridge: "the host bridge"
    case .system: "the link between processors"
    }
  }

  /// Whether one class is nearer than another.
  public static func < (nearer: NCCLPath, farther: NCCLPath) -> Bool {
    nearer.rawValue < farther.rawValue
  }
}
