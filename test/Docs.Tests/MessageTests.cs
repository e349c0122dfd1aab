using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Microsoft.ML.Hdrq.Docs.Tests;

/// <summary>The messages that a guide explains are those of the code.</summary>
[TestClass]
public sealed class MessageTests
{
    /// <summary>A text of fewer letters would match anything.</summary>
    private const int ShortestMessage = 20;

    [TestMethod]
    public void Messages_are_printed_as_they_are_in_the_code()
    {
        var patterns = (
            from path in Repository.Sources("src")
            from node in CSharpSyntaxTree.ParseText(File.ReadAllText(path)).GetRoot().DescendantNodes()
            where IsText(node) && !IsText(node.Parent)
            let pattern = Pattern(node)
            where pattern.Replace(".*", "", StringComparison.Ordinal).Length >= ShortestMessage
            select new Regex($"^('[^']*': )?{pattern}$", RegexOptions.CultureInvariant)).ToList();
        var messages = (
            from path in Repository.Guides()
            where path.EndsWith("what-goes-wrong.md", StringComparison.Ordinal)
            from block in MarkdownDocument.Read(path).Blocks
            where block.Language == "text"
            select string.Join(' ', block.Lines)).ToList();
        Assert.IsGreaterThan(15, messages.Count);
        var unknown = messages.Where(message => !patterns.Exists(pattern => pattern.IsMatch(message)));
        Assert.AreEqual("", string.Join('\n', unknown));
    }

    private static bool IsText(SyntaxNode? node) => node switch
    {
        LiteralExpressionSyntax literal => literal.IsKind(SyntaxKind.StringLiteralExpression),
        InterpolatedStringExpressionSyntax => true,
        BinaryExpressionSyntax sum => sum.IsKind(SyntaxKind.AddExpression) && IsText(sum.Left) && IsText(sum.Right),
        _ => false,
    };

    private static string Pattern(SyntaxNode node) => node switch
    {
        LiteralExpressionSyntax literal => Regex.Escape(literal.Token.ValueText),
        BinaryExpressionSyntax sum => Pattern(sum.Left) + Pattern(sum.Right),
        InterpolatedStringExpressionSyntax text => string.Concat(text.Contents.Select(part =>
            part is InterpolatedStringTextSyntax letters ? Regex.Escape(letters.TextToken.ValueText) : ".*")),
        _ => "",
    };
}
