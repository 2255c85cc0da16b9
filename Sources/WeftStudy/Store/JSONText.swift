/// JSON as the store keeps it: short, on one line.
public enum JSONText {
  /// A list of texts.
  static func list(_ texts: [String]) -> String {
    var json = "["
    for text in texts {
      if json.utf8.count > 1 { json += "," }
      append(text, to: &json)
    }
    return json + "]"
  }

  /// Appends a text with quotes and escapes.
  public static func append(_ text: String, to json: inout String) {
    json += "\""
    if text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x22 && $0 != 0x5C }) {
      json += text
    } else {
      for character in text.unicodeScalars {
        switch character {
        case "\"": json += "\\\""
        case "\\": json += "\\\\"
        case "\n": json += "\\n"
        case _ where character.value < 0x20:
          let digits = String(character.value, radix: 16)
          json += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        default: json.unicodeScalars.append(character)
        }
      }
    }
    json += "\""
  }
}
