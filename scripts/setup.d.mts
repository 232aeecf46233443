export declare const ROOT: string;
/** What the bundle is made of: files and folders. */
export declare const SOURCES: readonly string[];
export declare const NODE: string;
export declare function setUp(): void;
