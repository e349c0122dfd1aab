using System.Runtime.InteropServices;

namespace Microsoft.ML.Hdrq.Networks;

/// <summary>The environment variables that native libraries of this process read.</summary>
internal static partial class NativeEnvironment
{
    /// <summary>Sets a variable unless the user has set it.</summary>
    /// <remarks>On Linux and macOS .NET keeps its own copy of the environment, which native code does not see.</remarks>
    /// <param name="name">The variable.</param>
    /// <param name="value">Its value.</param>
    public static void Default(string name, string value)
    {
        if (Environment.GetEnvironmentVariable(name) is not null)
            return;
        if (OperatingSystem.IsWindows())
            Environment.SetEnvironmentVariable(name, value);
        else
            _ = SetNativeVariable(name, value, overwrite: 0);
    }

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetNativeVariable(string name, string value, int overwrite);
}
