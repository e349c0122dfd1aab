using System.Globalization;
using System.Text;
using System.Xml;
using System.Xml.Linq;
using Microsoft.ML.Hdrq.Tool.Data;

namespace Microsoft.ML.Hdrq.Tool.Charts;

/// <summary>Finishes what Skia writes as SVG.</summary>
internal static class SvgDocument
{
    /// <summary>
    /// Adds a view box, without which the picture cannot be scaled, and a title for those who cannot see it; equal
    /// pictures become equal bytes.
    /// </summary>
    /// <param name="drawn">An SVG document of Skia.</param>
    /// <param name="title">The title.</param>
    /// <param name="width">The width of the picture.</param>
    /// <param name="height">The height of the picture.</param>
    public static byte[] Finish(Stream drawn, string title, int width, int height)
    {
        var svg = XDocument.Load(drawn);
        var root = svg.Root!;
        Renumber(root);
        root.SetAttributeValue("viewBox", string.Create(CultureInfo.InvariantCulture, $"0 0 {width} {height}"));
        root.SetAttributeValue("role", "img");
        root.AddFirst(new XElement(root.Name.Namespace + "title", VisibleText.Of(title)));
        using var written = new MemoryStream();
        var settings = new XmlWriterSettings { Encoding = new UTF8Encoding(), Indent = true, NewLineChars = "\n" };
        using (var writer = XmlWriter.Create(written, settings))
            svg.Save(writer);
        return written.ToArray();
    }

    /// <summary>Numbers the identifiers from 0: Skia counts on through all pictures of the process.</summary>
    private static void Renumber(XElement root)
    {
        var references = root.Descendants().Attributes().ToLookup(attribute => attribute.Value);
        var identifiers = root.Descendants().Attributes("id").ToArray();
        for (var index = 0; index < identifiers.Length; index++)
        {
            var name = string.Create(CultureInfo.InvariantCulture, $"clip{index}");
            foreach (var reference in references[$"url(#{identifiers[index].Value})"])
                reference.Value = $"url(#{name})";
            identifiers[index].Value = name;
        }
    }
}
